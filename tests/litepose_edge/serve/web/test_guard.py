import httpx
import pytest

from litepose_edge.serve.options import Limits, WebOptions
from litepose_edge.serve.web.guard import HEADERS
from live_service import TOKEN, make_service, running

EVERY_PATH = (
    "/", "/page/app.js", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/status",
    "/nothing", "/page/nothing", "/v1/pose",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERY_PATH)
def test_every_answer_has_the_headers_that_protect_a_browser(client, path):
    answer = client.get(path)
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cache-control"] in ("no-store", "no-cache")


def test_the_policy_lets_no_code_in_but_the_pages_own_files():
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_name_that_points_here_is_not_answered(client):
    answer = client.get("/v1/status", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["error"]
    assert client.get("/v1/status", headers={"host": "localhost:1"}).status_code == 200


def test_pages_of_other_origins_change_nothing_and_read_nothing(client):
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}):
        answer = client.post("/v1/control", json={"paused": True}, headers=headers)
        assert answer.status_code == 403
        read = client.get("/v1/status", headers=headers)
        assert "access-control-allow-origin" not in read.headers
    for site in ("cross-site", "same-site"):
        marked = {"sec-fetch-site": site}  # as of a picture or a form: without an origin
        assert client.post("/v1/logout", headers=marked).status_code == 403
        assert client.get("/v1/status", headers=marked).status_code == 403
        assert client.get("/", headers=marked).status_code == 200  # a link to the page


def test_the_page_itself_may(client):
    own = {"origin": str(client.base_url).rstrip("/")}
    assert client.post("/v1/control", json={}, headers=own).status_code == 200


def test_an_origin_that_was_named_may_and_is_told_so(client):
    headers = {"origin": "https://board.example"}
    answer = client.post("/v1/control", json={}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://board.example"
    assert "Origin" in answer.headers["vary"]
    asked = {**headers, "access-control-request-method": "POST"}
    preflight = client.options("/v1/control", headers=asked)
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    other = client.options("/v1/control", headers={**asked, "origin": "https://evil.example"})
    assert other.status_code == 403


def test_an_address_too_long_is_refused(client):
    assert client.get("/v1/status?a=" + "b" * 8000).status_code == 200
    assert client.get("/v1/status?a=" + "b" * 9000).status_code == 414


def test_too_many_requests_of_one_address_are_refused_late_whomever_they_claim_to_be_from():
    limits = Limits(requests_per_s=0.5, requests_burst=10)
    spoofed = [{"x-forwarded-for": f"10.0.0.{n}"} for n in range(11)]
    with (
        running(make_service(), WebOptions(limits=limits)) as found,
        httpx.Client(base_url=found.url) as client,
    ):
        answers = [client.get("/healthz", headers=headers) for headers in spoofed]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert refused
    assert refused[0].elapsed.total_seconds() > 0.9
    assert int(refused[0].headers["retry-after"]) >= 1


def test_another_method_is_told_which_ones_there_are(client):
    answer = client.post("/v1/status")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.options("/v1/pose").headers["allow"] == "OPTIONS, POST"
    assert client.head("/v1/status").status_code == 200


ELSEWHERE = (
    "/page/../../api.py", "/page/%2e%2e/%2e%2e/api.py", "/page//etc", "/page/..%2findex.html",
    "/page/%00", "/etc/passwd", "//",
)  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_path_leads_to_the_file_system(open_service, path):
    with httpx.Client() as raw:
        request = httpx.Request("GET", open_service.url)
        request.url = httpx.URL(open_service.url).copy_with(raw_path=path.encode())
        answer = raw.send(request)
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_without_the_token_only_page_and_health_answer(locked_service):
    with httpx.Client(base_url=locked_service.url) as client:
        for path in ("/", "/page/app.js", "/healthz"):
            assert client.get(path).status_code == 200
        for path in ("/v1/status", "/v1/stream", "/metrics", "/openapi.json", "/nothing"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "Authorization: Bearer" in answer.json()["error"]
        assert client.post("/v1/pose", content=b"x").status_code == 401


def test_the_token_opens_by_header_and_by_the_cookie_it_is_exchanged_for(locked_service):
    with httpx.Client(base_url=locked_service.url) as client:
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/status", headers=headers).status_code == 200
        answer = client.post("/v1/login", json={"token": TOKEN})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert "Secure" not in cookie
        assert client.get("/v1/status").status_code == 200
        client.post("/v1/logout")
        assert client.get("/v1/status").status_code == 401


def test_the_cookie_of_a_page_behind_https_is_for_https_alone(locked_service):
    with httpx.Client(base_url=locked_service.url) as client:
        headers = {"origin": locked_service.url.rstrip("/").replace("http:", "https:")}
        answer = client.post("/v1/login", json={"token": TOKEN}, headers=headers)
        assert answer.status_code == 204
        assert "Secure" in answer.headers["set-cookie"]


def test_guessing_is_slowed_down_and_the_right_token_waits_too(locked_service):
    with httpx.Client(base_url=locked_service.url) as client:
        answers = [client.post("/v1/login", json={"token": f"guess {n}"}) for n in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert int(answers[-1].headers["retry-after"]) <= 60
        header = client.get("/v1/status", headers={"authorization": "Bearer guess"})
        assert header.status_code == 429


def test_the_token_and_guesses_of_it_are_in_no_log(locked_service, caplog):
    with caplog.at_level(0), httpx.Client(base_url=locked_service.url) as client:
        client.get("/v1/status", headers={"authorization": f"Bearer {TOKEN}"})
        client.get(f"/v1/status?token={TOKEN}")
        client.post("/v1/login", json={"token": TOKEN})
    of_ours = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert TOKEN not in " ".join(record.getMessage() for record in of_ours)


def test_what_fails_inside_is_a_typed_500_and_the_service_goes_on(open_service, client, caplog):
    paths = open_service.answering.app._paths

    async def broken(request):
        raise ZeroDivisionError("secret detail")

    open_service.answering.app._paths = {**paths, "/v1/status": {"GET": broken}}
    try:
        answer = client.get("/v1/status")
    finally:
        open_service.answering.app._paths = paths
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "error" in answer.json()
    assert client.get("/v1/status").status_code == 200
