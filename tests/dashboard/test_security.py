"""Who may read and command, over real sockets: wrong tokens, other sites, floods, bodies and paths that are none."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from dashboard import commanding, server
from dashboard.app import LARGEST_BODY
from dashboard.guard import BURST, WRONG_TOKENS, Guard
from dashboard.settings import DashboardSettings
from dashboard.token_file import token_of
from tests.dashboard.served import LIMIT_S, NOW, TOKEN, Client, fill, served
from trading.commands import AT_THE_DESK, Command, CommandKind, Outcome
from utils import Misconfigured

REMOTE = DashboardSettings(dashboard_host="0.0.0.0", dashboard_token=TOKEN)  # type: ignore[arg-type]  # pydantic's


class Obedient:
    """Does what it is told, and remembers it."""

    kinds = AT_THE_DESK

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def says(self, kind: CommandKind, symbol: str, detail: str) -> str:
        if symbol == "NONE":
            raise ValueError("the bot owns no NONE")
        return f"{kind} {symbol}".strip()

    def submit(self, command: Command) -> Future[Outcome]:
        self.commands.append(command)
        future: Future[Outcome] = Future()
        future.set_result(Outcome(done=True, words="as you say"))
        return future


@pytest.fixture
def control() -> Obedient:
    return Obedient()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("security") / "history.db")


@pytest.fixture
def client(database: Path, control: Obedient) -> Iterator[Client]:
    with served(database, control=control) as client:
        yield client


# Commands


def test_a_command_takes_the_token_and_two_steps(client: Client, control: Obedient) -> None:
    confirmed = client.post("/api/confirmations", {"kind": "close", "symbol": "AAA"})
    assert (confirmed.status, confirmed.json["says"], confirmed.json["expires_in_s"]) == (201, "close AAA", 60)
    wish = {"kind": "close", "symbol": "AAA", "confirmation_id": confirmed.json["confirmation_id"], "name": "Anna B."}
    state = client.post("/api/commands", wish)
    assert (state.status, state.json["state"]) == (202, "waiting")
    (command,) = control.commands
    assert (command.kind, command.symbol, command.asked_at) == (CommandKind.CLOSE, "AAA", NOW)
    assert command.who == "Anna B. through the dashboard from 127.0.0.1"
    done = client.ask(f"/api/commands/{command.command_id}").json
    assert (done["state"], done["words"]) == ("done", "as you say")


@pytest.mark.parametrize("kind", [kind for kind in AT_THE_DESK if kind is not CommandKind.CLOSE])
@pytest.mark.parametrize("step", ["/api/confirmations", "/api/commands"])
def test_no_control_works_without_the_token(client: Client, control: Obedient, kind: CommandKind, step: str) -> None:
    answer = client.post(step, {"kind": kind, "confirmation_id": "x"}, token="")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert control.commands == []


def test_a_wrong_token_is_refused_and_after_some_the_client_is_not_listened_to(
    client: Client, control: Obedient
) -> None:
    wrong = TOKEN[:-1] + "x"
    for _ in range(WRONG_TOKENS):
        assert client.post("/api/confirmations", {"kind": "pause"}, token=wrong).status == 401
    locked = client.post("/api/confirmations", {"kind": "pause"})  # even the right one: nobody learns which it is
    assert locked.status == 429
    assert 1 <= int(locked.headers["Retry-After"]) <= 31
    assert client.ask("/api/state").status == 200  # reading needs no token
    other = Client(client.origin, "127.0.0.2")
    assert other.post("/api/confirmations", {"kind": "pause"}).status == 201
    assert control.commands == []


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}\u00e9"])
def test_only_a_bearer_token_counts(client: Client, authorization: str) -> None:
    headers = {"Authorization": authorization.encode().decode("latin-1")} if authorization else {}
    answer = client.ask("/api/confirmations", "POST", b'{"kind": "pause"}', Content_Type="application/json", **headers)
    assert answer.status == 401


@pytest.mark.parametrize("path", ["/api/confirmations", "/api/commands"])
@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "DASHBOARD_TOKEN"])
def test_a_token_in_the_address_is_no_token(client: Client, control: Obedient, path: str, name: str) -> None:
    answer = client.post(f"{path}?{name}={TOKEN}", {"kind": "pause"}, token="")
    assert answer.status == 401
    assert client.ask(f"/api/state?{name}={TOKEN}").status == 400
    assert TOKEN.encode() not in answer.content
    assert control.commands == []


def test_a_confirmation_is_good_for_one_command_of_its_own_kind(client: Client, control: Obedient) -> None:
    def confirmed() -> str:
        return str(client.post("/api/confirmations", {"kind": "close", "symbol": "AAA"}).json["confirmation_id"])

    for wish in ({"kind": "kill"}, {"kind": "close", "symbol": "BBB"}):
        answer = client.post("/api/commands", {**wish, "confirmation_id": confirmed()})
        assert (answer.status, answer.error) == (409, "the confirmation is for something else")
    used = confirmed()
    assert client.post("/api/commands", {"kind": "close", "symbol": "AAA", "confirmation_id": used}).status == 202
    again = client.post("/api/commands", {"kind": "close", "symbol": "AAA", "confirmation_id": used})
    assert (again.status, again.error) == (409, "there is no such confirmation: it was used, or it never was")
    assert len(control.commands) == 1


def test_a_confirmation_that_is_too_old_is_refused(
    client: Client, control: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commanding, "EXPIRES_S", -1)
    answer = client.command(kind="pause")
    assert answer.status == 409
    assert control.commands == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is not JSON"),
        (b"[1]", "the body is not a JSON object"),
        (b"[" * 3_000, "the body is not JSON"),
        (b'{"kind": "buy"}', "kind must be one of"),
        (b'{"kind": ["pause"]}', "kind must be a text"),
        (b'{"kind": "close"}', "close needs a symbol"),
        (b'{"kind": "pause", "symbol": "AAA"}', "close needs a symbol, and nothing else takes one"),
        (b'{"kind": "close", "symbol": "../etc"}', "symbol must be a symbol"),
        (b'{"kind": "pause", "price": "1"}', "'price' is no field of this request"),
        (b'{"symbol": "AAA"}', "kind is missing"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_in_one_line(client: Client, body: bytes, words: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
    answer = client.ask("/api/confirmations", "POST", body, **headers)
    assert answer.status == 400
    assert answer.error.startswith(words)


def test_what_cannot_be_done_now_is_said_at_the_first_step(client: Client) -> None:
    answer = client.post("/api/confirmations", {"kind": "close", "symbol": "NONE"})
    assert (answer.status, answer.error) == (409, "the bot owns no NONE")


def test_without_a_running_program_nothing_can_be_commanded(database: Path) -> None:
    with served(database) as client:
        answer = client.post("/api/confirmations", {"kind": "pause"})
        assert answer.status == 403
        assert client.ask("/api/state").json["server"]["control"] is False


def test_an_empty_token_is_nobody_s_key(database: Path, control: Obedient) -> None:
    with served(database, token="", control=control) as client:
        assert client.ask("/api/confirmations", "POST", b"{}", Authorization="Bearer ").status == 401


# Other sites


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_requests_of_other_sites_are_refused(client: Client, control: Obedient, origin: str) -> None:
    assert client.ask("/api/state", Origin=origin).status == 403
    assert client.post("/api/confirmations", {"kind": "kill"}, Origin=origin).status == 403
    assert (
        client.ask("/api/confirmations", "OPTIONS", Origin=origin, Access_Control_Request_Method="POST").status == 403
    )
    assert "Access-Control-Allow-Origin" not in client.ask("/api/state").headers
    assert control.commands == []


def test_our_own_page_may_command(client: Client) -> None:
    same = {"Origin": client.origin, "Sec_Fetch_Site": "same-origin"}
    assert client.post("/api/confirmations", {"kind": "pause"}, **same).status == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_command_that_a_browser_says_is_another_site_s_is_refused(client: Client, site: str) -> None:
    assert client.post("/api/confirmations", {"kind": "kill"}, Sec_Fetch_Site=site).status == 403


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_can_send_is_no_command(client: Client, content_type: str) -> None:
    assert client.post("/api/confirmations", {"kind": "kill"}, Content_Type=content_type).status == 415


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "local", "[::1"])
def test_a_name_that_is_not_ours_is_refused_whatever_it_points_to(client: Client, host: str) -> None:
    assert client.ask("/api/state", Host=host).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:8765", "192.0.2.7:8765"])
def test_localhost_and_addresses_need_no_name(client: Client, host: str) -> None:
    assert client.ask("/api/state", Host=host).status == 200


def test_names_of_the_settings_are_ours(database: Path) -> None:
    with served(database, settings=DashboardSettings(dashboard_names=("trader.lan",))) as client:
        assert client.ask("/api/state", Host="trader.lan:8765").status == 200
        assert client.ask("/api/state", Host="TRADER.LAN").status == 200


# Paths, bodies, methods


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/static/../app.py",
            "/static/..%2fapp.py",
            "/static/%2e%2e/app.py",
            "/static/....//app.py",
            "/../etc/passwd",
        ),
        *("/static//etc/passwd", "/static/%00", "/static/..\\app.py", "/static/index.html/..", "/api/../static/x"),
        *("/static/.hidden", "/.env", "/static/", "/static/%252e%252e/app.py", "/api/bars/..%2f..%2fetc"),
    ],
)
def test_no_path_leads_out_of_the_page_s_files(client: Client, path: str) -> None:
    answer = client.ask(path)
    assert answer.status in (400, 404)
    assert b"import" not in answer.content


def test_a_body_that_is_too_large_is_refused_and_the_connection_closed(client: Client, control: Obedient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
    body = json.dumps({"kind": "pause", "name": "x" * LARGEST_BODY}).encode()
    answer = client.ask("/api/confirmations", "POST", body, **headers)
    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    assert control.commands == []


def test_a_head_that_is_too_large_is_refused(client: Client) -> None:
    assert client.ask("/api/state", X_Long="x" * 20_000).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    assert client.ask("/api/commands", method).status in (400, 404, 405)


def test_what_is_no_http_ends_in_a_closed_connection(client: Client) -> None:
    with socket.create_connection((client.host, client.port), LIMIT_S) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00" * 10 + b"\r\n\r\n")
        assert raw.recv(1_000).startswith(b"HTTP/1.0 400")
    assert client.ask("/healthz").status == 200


# A flood


def test_a_flood_of_one_client_is_slowed_down_and_others_are_served(
    client: Client, control: Obedient, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight connections ask as fast as they can, a thousand times together; another client is served meanwhile."""

    def flood(_: int) -> list[int]:
        statuses = []
        for _ in range(125):
            try:
                statuses.append(client.ask("/api/trades").status)
            except OSError:
                statuses.append(0)  # cut off
            if statuses[-1] != 200:
                break  # it waits a second for each from now on: the point is made
        return statuses

    other = Client(client.origin, "127.0.0.3")
    with ThreadPoolExecutor(8) as pool:
        flooding = [pool.submit(flood, n) for n in range(8)]
        assert {other.ask("/api/state").status for _ in range(20)} == {200}
        assert other.command(kind="pause").status == 202
        statuses = Counter(status for each in flooding for status in each.result(60))
    assert set(statuses) <= {200, 429, 0}
    assert statuses[429] > 0
    assert statuses[200] < 1_000
    assert len(caplog.records) < 5  # nor does it fill the disk with its log
    assert [command.kind for command in control.commands] == [CommandKind.PAUSE]


def test_idle_connections_do_not_use_up_the_file_descriptors_of_trading(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 5)
    idle = [socket.create_connection((client.host, client.port), LIMIT_S) for _ in range(5)]
    try:
        for each in idle:  # each is there and waits
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert each.recv(20).startswith(b"HTTP/1.1 200")
        with pytest.raises(OSError):
            client.ask("/healthz")
    finally:
        for each in idle:
            each.close()


def test_the_pace_is_that_of_a_person_with_ten_pages() -> None:
    guard = Guard(TOKEN, "http")
    assert all(guard.may_ask("a") for _ in range(int(BURST)))
    assert not all(guard.may_ask("a") for _ in range(10))
    assert guard.may_ask("b")


def test_addresses_are_forgotten_but_not_those_that_are_locked() -> None:
    guard = Guard(TOKEN, "http")
    for _ in range(WRONG_TOKENS):
        assert not guard.knows("attacker", "Bearer wrong")
    for number in range(3_000):
        guard.may_ask(f"10.0.{number // 256}.{number % 256}")
    assert guard.locked_s("attacker") > 0
    assert len(guard.clients) <= 1_024


# Secrets and settings


def test_the_token_is_in_no_answer_and_in_no_log(
    client: Client, caplog: pytest.LogCaptureFixture, control: Obedient
) -> None:
    caplog.set_level("DEBUG")
    client.command(kind="pause")
    answers = [
        client.ask(path) for path in ("/", "/api/state", "/api/log", "/openapi.json", "/metrics", "/api/commands")
    ]
    wrong = "guessed-token-of-somebody-else"
    client.post("/api/confirmations", {"kind": "pause"}, token=wrong)
    assert TOKEN.encode() not in b"".join(answer.content for answer in answers)
    assert TOKEN not in caplog.text
    assert wrong not in caplog.text


def test_a_made_token_is_kept_in_a_file_of_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "token"
    made = token_of("", file)
    assert made.is_new
    assert len(made.secret) >= 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert made.secret not in repr(made)
    kept = token_of("", file)
    assert (kept.secret, kept.is_new) == (made.secret, False)
    assert token_of("chosen-by-the-user", file).secret == "chosen-by-the-user"
    file.chmod(0o644)
    with pytest.raises(Misconfigured, match="others may read"):
        token_of("", file)
    file.chmod(0o600)
    file.write_text("short\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="holds no token"):
        token_of("", file)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "trader.lan"])
def test_an_address_that_others_reach_needs_token_and_tls(host: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="set DASHBOARD_TOKEN"):
        DashboardSettings(dashboard_host=host).refuse_unsafe()
    known = {"dashboard_host": host, "dashboard_token": TOKEN}
    with pytest.raises(Misconfigured, match="DASHBOARD_TLS_CERT"):
        DashboardSettings.model_validate(known).refuse_unsafe()
    DashboardSettings.model_validate(known | {"dashboard_without_tls": "allow"}).refuse_unsafe()
    file = tmp_path / "pem"
    file.touch()
    tls = {"dashboard_tls_cert": str(file), "dashboard_tls_key": str(file)}
    DashboardSettings.model_validate(known | tls).refuse_unsafe()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_alone_needs_neither(host: str) -> None:
    DashboardSettings(dashboard_host=host).refuse_unsafe()


def test_a_certificate_needs_its_key_and_both_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="need each other"):
        DashboardSettings(dashboard_tls_cert="a").refuse_unsafe()
    with pytest.raises(Misconfigured, match="no such file"):
        DashboardSettings(dashboard_tls_cert="/nowhere", dashboard_tls_key="/nowhere").refuse_unsafe()


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        DashboardSettings(dashboard_token="short")  # type: ignore[arg-type]  # pydantic's


def test_reading_needs_the_token_where_others_can_reach_the_page(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.server._listening", lambda host, port: _listening_here())
    settings = REMOTE.model_copy(update={"dashboard_without_tls": "allow"})
    with served(database, settings=settings) as client:
        for path in ("/api/state", "/api/trades", "/api/stream", "/api/log", "/metrics"):
            assert client.ask(path).status == 401
        assert client.ask("/api/state", Authorization=f"Bearer {TOKEN}").json["server"]["reading_needs_token"] is True
        assert client.ask("/").status == 200  # the page asks for it
        assert client.ask("/healthz").status == 200


def _listening_here() -> socket.socket:
    """This machine only: a test opens nothing to others."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_is_served_with_a_certificate(database: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(cert),
    )
    subprocess.run([*made, *subject], check=True, capture_output=True)
    settings = DashboardSettings(dashboard_tls_cert=str(cert), dashboard_tls_key=str(key))
    with served(database, settings=settings) as client:
        trusting = Client(f"https://127.0.0.1:{client.port}", context=ssl.create_default_context(cafile=str(cert)))
        assert trusting.ask("/api/state").status == 200
        assert trusting.ask("/api/state", Origin=client.origin).status == 403  # http is another origin
        assert trusting.ask("/api/state", Origin=f"https://127.0.0.1:{client.port}").status == 200
    settings = settings.model_copy(update={"dashboard_tls_key": str(cert)})
    with pytest.raises(Misconfigured, match="DASHBOARD_TLS_CERT"), served(database, settings=settings):
        pass
