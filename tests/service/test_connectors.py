"""What is sent to other systems, and what is made of their answers.

The exchanges are written from the descriptions of their interfaces.
"""

import http.server
import json
import os
import re
import threading
from typing import ClassVar
from unittest.mock import Mock

import pytest

pytest.importorskip("sqlalchemy", reason="no sqlalchemy: pip install -e '.[serve]'")

from sqlalchemy.exc import OperationalError

import connect
from agents.config import resolve
from common.errors import InputError
from service.connectors import erpnext, frepple, odoo, run
from service.connectors.inbox import Inbox
from service.connectors.transport import Transport
from service.store import order_book
from service.store.database import Database
from service.store.order_book import PAGE
from service.store.tables import ORDERS
from tests.recommended import write_rule_run
from tests.service.app import service
from tests.service.test_store import proposal

ORDER = {"id": 7, "store": "north", "sku": "milk", "quantity": 24.0}
ORDER |= {"date": "2024-05-06", "arrives": "2024-05-08"}


class Recorded:
    """Answers requests in turn, each of which must be as the contract has it."""

    def __init__(self, *exchanges):
        self.left = list(exchanges)

    def __call__(self, method, path, body=None, query=None):
        asked, answer = self.left.pop(0)
        assert (method, path, body, query) == asked
        return answer


FIND = ("GET", "/api/resource/Material%20Request", None)
FIND += ({"filters": '[["title", "=", "inventory-rl order 7"]]', "limit_page_length": "1"},)
MAKE = {
    "material_request_type": "Purchase",
    "title": "inventory-rl order 7",
    "transaction_date": "2024-05-06",
    "schedule_date": "2024-05-08",
    "items": [
        {"item_code": "milk", "warehouse": "north", "qty": 24.0, "schedule_date": "2024-05-08"}
    ],
}


def test_erpnext():
    bins = {"fields": '["item_code", "warehouse", "actual_qty"]'}
    bins |= {"limit_page_length": "1000", "limit_start": "0"}
    row = {"item_code": "milk", "warehouse": "north", "actual_qty": -2.0}
    stock = erpnext.pull_stock(
        Recorded((("GET", "/api/resource/Bin", None, bins), {"data": [row]}))
    )
    assert stock == [{"store": "north", "sku": "milk", "on_hand": 0.0}]
    dry = Recorded((FIND, {"data": []}))
    assert erpnext.push(dry, ORDER, apply=False) == "would be made"
    post = ("POST", "/api/resource/Material%20Request", MAKE, None)
    send = Recorded((FIND, {"data": []}), (post, {"data": {"name": "MAT-MR-2024-00001"}}))
    assert erpnext.push(send, ORDER, apply=True) == "MAT-MR-2024-00001"
    again = Recorded((FIND, {"data": [{"name": "MAT-MR-2024-00001"}]}))
    assert erpnext.push(again, ORDER, apply=True) == "there"


def test_odoo():
    quants = {"domain": [["location_id.usage", "=", "internal"]]}
    quants |= {"fields": ["location_id", "product_id", "quantity"]}
    rows = [
        {"location_id": [8, "north/Stock"], "product_id": [3, "[milk] Milk"], "quantity": q}
        for q in (5.0, 2.0)
    ]
    names = {"domain": [["id", "in", [3]]], "fields": ["default_code", "display_name"]}
    send = Recorded(
        (("POST", "/json/2/stock.quant/search_read", quants, None), rows),
        (
            ("POST", "/json/2/product.product/search_read", names, None),
            [{"id": 3, "default_code": "milk", "display_name": "[milk] Milk"}],
        ),
    )
    assert odoo.pull_stock(send) == [{"store": "north/Stock", "sku": "milk", "on_hand": 7.0}]
    same = {"domain": [["origin", "=", "inventory-rl order 7"]]}
    count = ("POST", "/json/2/purchase.order/search_count", same, None)
    known = {"domain": [["default_code", "=", "milk"]], "limit": 1}
    find = ("POST", "/json/2/product.product/search", known, None)
    line = {"product_id": 3, "product_qty": 24.0, "date_planned": "2024-05-08 08:00:00"}
    order = {"partner_id": 9, "origin": "inventory-rl order 7", "order_line": [[0, 0, line]]}
    make = ("POST", "/json/2/purchase.order/create", {"vals_list": [order]}, None)
    dry = Recorded((count, 0), (find, [3]))
    assert odoo.push(dry, ORDER, vendor=9, apply=False) == "would be made"
    send = Recorded((count, 0), (find, [3]), (make, [41]))
    assert odoo.push(send, ORDER, vendor=9, apply=True) == "41"
    assert odoo.push(Recorded((count, 1)), ORDER, vendor=9, apply=True) == "there"
    with pytest.raises(InputError, match="Odoo has no product 'milk'"):
        odoo.push(Recorded((count, 0), (find, [])), ORDER, vendor=9, apply=True)


def test_frepple():
    buffers = ("GET", "/api/input/buffer/", None, {"format": "json"})
    row = {"location": "north", "item": "milk", "onhand": "12.00000000"}
    stock = frepple.pull_stock(Recorded((buffers, [row])))
    assert stock == [{"store": "north", "sku": "milk", "on_hand": 12.0}]
    purchase = {"reference": "inventory-rl-7", "item": "milk", "location": "north"}
    purchase |= {"supplier": "dairy", "quantity": 24.0, "status": "confirmed"}
    purchase |= {"startdate": "2024-05-06T00:00:00", "enddate": "2024-05-08T00:00:00"}
    query = {"format": "json", "reference": "inventory-rl-7"}
    find = ("GET", "/api/input/purchaseorder/", None, query)
    make = ("POST", "/api/input/purchaseorder/", [purchase], None)
    dry = Recorded((find, []))
    assert frepple.push(dry, ORDER, supplier="dairy", apply=False) == "would be made"
    send = Recorded((find, []), (make, [purchase]))
    assert frepple.push(send, ORDER, supplier="dairy", apply=True) == "inventory-rl-7"


class _Erp(http.server.BaseHTTPRequestHandler):
    made: ClassVar[list] = []

    def _answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        allowed = self.headers["Authorization"] == "token key:secret"
        self._answer(200 if allowed else 403, {"data": []})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.made.append(json.loads(body))
        self._answer(200, {"data": {"name": f"MR-{len(self.made)}"}})

    def log_message(self, *_):
        pass


@pytest.fixture
def erp():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Erp)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_command_line_pushes_what_is_approved_once(run_command, tmp_path, monkeypatch, erp):
    base = Database(str(tmp_path / "service.db"))
    with base.writing() as connection:
        made = order_book.propose(connection, "ann", [proposal("north"), proposal("south")])
        number = made.orders[0]["id"]
        order_book.change(connection, "bob", number, "approve")
    ask = ("--system", "erpnext", "--push")
    done = run_command(connect.main, *ask)
    assert (done.status, done.stdout) == (2, "")
    assert "set ERPNEXT_URL, ERPNEXT_KEY, ERPNEXT_SECRET in the environment" in done.stderr
    for name, value in (("URL", erp), ("KEY", "key"), ("SECRET", "wrong")):
        monkeypatch.setenv(f"ERPNEXT_{name}", value)
    done = run_command(connect.main, *ask)
    assert done.status == 2
    assert "403" in done.stderr
    monkeypatch.setenv("ERPNEXT_SECRET", "secret")
    done = run_command(connect.main, *ask, "--database", "typo.db", "--apply")
    assert (done.status, done.stdout) == (2, "")
    assert "--database 'typo.db': no such file" in done.stderr
    assert not (tmp_path / "typo.db").exists()
    done = run_command(connect.main, *ask)
    assert done.stdout.splitlines()[0] == f"order {number}: would be made"
    assert _Erp.made == []
    done = run_command(connect.main, *ask, "--apply")
    assert done.stdout == f"order {number}: MR-1\n"
    assert run_command(connect.main, *ask, "--apply").stdout == ""
    with base.reading() as connection:
        assert order_book.get(connection, number)["status"] == "placed"


def test_all_that_is_approved_is_pushed_and_nothing_of_no_units(tmp_path):
    base, names = Database(str(tmp_path / "service.db")), [f"s{k}" for k in range(PAGE + 2)]
    proposals = [proposal(name, status="approved", version=1) for name in names]
    times = {"created": "", "updated": ""}
    with base.writing() as connection:
        connection.execute(ORDERS.insert(), [one | times for one in proposals])
        connection.execute(ORDERS.update().where(ORDERS.c.store == "s1").values(quantity=0.0))
    send = Mock(return_value={"data": []})
    done = run.push("erpnext", base, send, {}, apply=False)
    assert done[:2] == [(1, "would be made"), (2, "nothing to order")]
    assert len(done) == len(names) == send.call_count + 1


def test_a_connection_that_fails_is_one_line():
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        Transport("http://127.0.0.1:9", {})("GET", "/")
    with pytest.raises(InputError, match="must be such as"):
        run.pull("erpnext", None, Transport("ftp://x", {}))
    for wrong in ("http://[::1", "http://erp:99999"):
        with pytest.raises(InputError, match=re.escape(wrong)):
            Transport(wrong, {})("GET", "/")
    with pytest.raises(InputError, match="credentials for erp: hold a character") as refused:
        Transport("http://erp", erpnext.credentials("key", "secret\r"))("GET", "/")
    assert "secret" not in str(refused.value)


def test_the_inbox_decides_what_is_complete(runs, tmp_path, capsys):
    folder = tmp_path / "inbox"
    folder.mkdir()
    with service(runs, str(tmp_path / "service.db")) as (made, _):
        inbox = Inbox(folder, made.decisions)
        (folder / "good.csv").write_text("store,on_hand,date\nnorth,3,2021-07-01\n")
        (folder / "bad.csv").write_text("store,on_hand\nnort,3\n")
        assert inbox.look() == []
        with (folder / "bad.csv").open("a") as file:
            file.write("south,1\n")
        assert inbox.look() == ["good.csv"]
        assert inbox.look() == ["bad.csv"]
        assert inbox.look() == []
        with made.base.reading() as connection:
            (order,) = order_book.find(connection)
    orders = (folder / "done" / "good.orders.csv").read_text("utf-8-sig").splitlines()
    assert orders[0].startswith("date,")
    assert orders[1].startswith("2021-07-01,north,all,")
    assert order["store"] == "north"
    assert "unknown store" in (folder / "refused" / "bad.error.txt").read_text()
    assert "good.csv: no row in the state, so no order: south all; add" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["done", "refused"]


def test_the_inbox_refuses_a_state_that_is_older_than_today(runs, tmp_path):
    (folder := tmp_path / "inbox").mkdir()
    names = ",".join(f"d{k}" for k in range(1, 8))
    (folder / "old.csv").write_text(f"store,on_hand,{names}\nnorth,3{',20' * 7}\n")
    os.utime(folder / "old.csv", (1_600_000_000, 1_600_000_000))
    with service(runs, str(tmp_path / "service.db")) as (made, _):
        inbox = Inbox(folder, made.decisions)
        assert [inbox.look(), inbox.look()] == [[], ["old.csv"]]
    assert "the state is of 2020-09-13" in (folder / "refused" / "old.error.txt").read_text()


def test_no_file_and_no_database_ends_the_inbox(runs, tmp_path, monkeypatch, capsys):
    (folder := tmp_path / "inbox").mkdir()
    (folder / os.fsdecode(b"\xff.csv")).write_text("store,on_hand\nnort,3\n")
    (folder / "good.csv").write_text("store,on_hand,date\nnorth,3,2021-07-01\n")
    with service(runs, str(tmp_path / "service.db")) as (made, _):
        inbox, stop = Inbox(folder, made.decisions), threading.Event()
        looks = iter((False, False, False, True))
        monkeypatch.setattr(stop, "wait", lambda _: next(looks))
        with monkeypatch.context() as locked:
            error = OperationalError("BEGIN", {}, Exception("database is locked"))
            locked.setattr(made.decisions, "decide", Mock(side_effect=error))
            inbox.watch(stop)
        assert "database is locked" in capsys.readouterr().err
        inbox.look()
    assert (folder / "done" / "good.orders.csv").exists()
    assert "unknown store" in next(folder.glob("refused/*.error.txt")).read_text()


@pytest.mark.parametrize(
    ("mark", "on_hand", "line"),
    [(",", [1234], ""), (None, [], "state.csv row 2: on_hand = '1.234' may be 1.234 or 1234")],
)
def test_the_inbox_reads_numbers_as_the_run_s_file(runs, tmp_path, mark, on_hand, line):
    settings = () if mark is None else (f"demand_data.decimal={mark}",)
    flags = {"algo": "ppo", "demand": runs / "sales.csv", "split": "2021-01-01"}
    write_rule_run(resolve(flags, assignments=settings), tmp_path / "run", "newsvendor_average")
    (folder := tmp_path / "inbox").mkdir()
    with service(tmp_path, str(tmp_path / "service.db"), champion="run", rule=None) as (made, _):
        inbox = Inbox(folder, made.decisions)
        (folder / "state.csv").write_text("store;on_hand;date\nnorth;1.234;2021-07-01\n")
        assert [inbox.look(), inbox.look()] == [[], ["state.csv"]]
        with made.base.reading() as connection:
            assert [order["on_hand"] for order in order_book.find(connection)] == on_hand
    refused = folder / "refused" / "state.error.txt"
    assert (refused.read_text() if refused.exists() else "").startswith(line)
