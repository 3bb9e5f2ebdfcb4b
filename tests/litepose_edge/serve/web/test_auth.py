import pytest

from litepose_edge.serve.web.auth import (
    Names,
    Token,
    bearer,
    cookie_value,
    host_name,
    is_loopback,
    same_origin,
)

TOKEN = "0123456789abcdef"


def test_the_right_token_and_the_cookie_made_of_it_open_and_nothing_else_does():
    token = Token(TOKEN)
    assert token.is_right(TOKEN)
    assert token.is_cookie(token.cookie)
    for wrong in ("", TOKEN[:-1], TOKEN + "0", "\udcff", token.cookie):
        assert not token.is_right(wrong)
    for wrong in ("", TOKEN, token.cookie[:-1]):
        assert not token.is_cookie(wrong)
    assert TOKEN not in token.cookie


def test_without_a_token_nothing_is_right():
    token = Token(None)
    assert not token.asked
    assert not token.is_right("")
    assert not token.is_cookie("")


@pytest.mark.parametrize(
    ("header", "given"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("", None)],
)
def test_a_bearer_token_is_read_from_its_header(header, given):
    assert bearer(header) == given


def test_the_cookie_is_found_among_others_and_a_malformed_header_holds_none():
    assert cookie_value("a=b; litepose_token=cd; e=f") == "cd"
    assert cookie_value("other_litepose_token=cd") is None
    assert cookie_value('"\x01;=;;') is None
    assert cookie_value('litepose_token="' + "\\" * 100_000) is not None  # at once


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:8080", True),
        ("192.168.1.20", True),
        ("[::1]:8080", True),
        ("localhost", True),
        ("LOCALHOST.:80", True),
        ("board.example:8080", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("user@127.0.0.1", False),
        ("127.0.0.1:80/path", False),
        ("127.0.0.1:99999", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_name_of_the_internet_does_not_reach_the_service(host, known):
    assert Names(["Board.example"]).known(host) is known


def test_the_machines_own_name_does(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "Board7.lan")
    names = Names([])
    assert all(names.known(name) for name in ("board7.lan", "board7", "board7.local:8080"))


def test_the_name_in_a_host_header_is_lower_case_without_its_port():
    assert host_name("Board:80") == "board"


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://127.0.0.1:8080", True),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8081", False),
        ("null", False),
        ("http://[", False),
        ("file://127.0.0.1:8080", False),
    ],
)
def test_an_origin_is_the_pages_own_only_if_name_and_port_are(origin, same):
    assert same_origin(origin, "127.0.0.1:8080") is same


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.3.4.5", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("board", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host, loopback):
    assert is_loopback(host) is loopback
