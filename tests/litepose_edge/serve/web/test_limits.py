import pytest

from litepose_edge.serve.web.limits import ADDRESSES_KEPT, Rates, client_key


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_then_a_steady_rate_does():
    clock = Clock()
    rates = Rates(2.0, 3.0, clock)
    assert [rates.wait_s("a") for _ in range(3)] == [0, 0, 0]
    assert rates.wait_s("a") == pytest.approx(0.5)
    assert rates.wait_s("b") == 0  # another address has its own
    clock.now = 0.5
    assert rates.wait_s("a") == 0
    assert rates.wait_s("a") == pytest.approx(0.5)
    clock.now = 1000
    assert [rates.wait_s("a") for _ in range(3)] == [0, 0, 0]
    assert rates.wait_s("a") > 0  # rest does not add up beyond the burst


def test_a_million_addresses_take_no_more_memory_than_some_thousands():
    rates = Rates(1.0, 1.0, Clock())
    for number in range(3 * ADDRESSES_KEPT):
        rates.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(rates._left) == ADDRESSES_KEPT


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("no:address", "no:address"),
    ],
)
def test_one_line_of_ipv6_is_one_client(address, key):
    assert client_key(address) == key
