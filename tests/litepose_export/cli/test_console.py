"""What the exporter's commands share."""

import sys

import pytest

from litepose_edge.errors import BackendUnavailableError
from litepose_export.cli.console import requires


def test_a_missing_package_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wave", None)
    with pytest.raises(BackendUnavailableError) as raised, requires("export"):
        import wave  # noqa: F401
    message = str(raised.value)
    assert message.startswith("wave is not installed")
    assert "pip install 'litepose-edge[export]'" in message
    assert "pip install '.[export]'" in message


def test_a_fault_in_our_own_imports_is_not_called_a_missing_package():
    with pytest.raises(ImportError, match="nothing_of_this_name") as raised, requires("export"):
        from litepose_export.cli.console import nothing_of_this_name  # noqa: F401
    assert not isinstance(raised.value, BackendUnavailableError)


def test_a_package_that_was_found_missing_further_down_keeps_its_own_hint():
    with pytest.raises(BackendUnavailableError, match="own hint"), requires("export"):
        raise BackendUnavailableError("own hint")
