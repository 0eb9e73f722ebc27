import pytest

from training.trainer import train


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    """Return what trains a configuration, once in all tests; they change copies of the folder."""
    runs = {}

    def trained(config):
        key = config.to_yaml()
        if key not in runs:
            runs[key] = train(config, tmp_path_factory.mktemp("trained") / "run")
        return runs[key]

    return trained
