from benchmarks.large_recommendation import recommend, write_files


def test_the_files_lead_to_a_recommendation(tmp_path):
    sales, items = write_files(tmp_path, skus=3, days=400)
    advice, cost = recommend(sales, items, "--origins", "1")
    assert advice.startswith("Order by")
    assert min(cost.seconds, cost.cpu_seconds) > 1
    assert 0.1 < cost.peak < 2
