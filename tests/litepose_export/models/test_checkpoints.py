"""Checkpoints as trainers write them: found, unwrapped, or refused for what they hold."""

from __future__ import annotations

import builtins
import re
import zipfile

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

from torch import nn  # noqa: E402

from litepose_edge.errors import BackendUnavailableError, ModelFileMissingError  # noqa: E402
from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.models import checkpoints  # noqa: E402
from litepose_export.models.checkpoints import Fitted  # noqa: E402


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


STATE = network(1).state_dict()


def with_prefix(prefix, state=STATE):
    return {prefix + key: value for key, value in state.items()}


def saved(tmp_path, content):
    path = tmp_path / "w.pt"
    torch.save(content, path)
    return path


def is_loaded(module):
    return all(torch.equal(value, STATE[key]) for key, value in module.state_dict().items())


OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]}
OLD = network(2).state_dict()


@pytest.mark.parametrize(
    ("content", "fitted"),
    [
        (STATE, Fitted()),
        (with_prefix("module."), Fitted("", "module.")),
        (with_prefix("_orig_mod."), Fitted("", "_orig_mod.")),
        (with_prefix("module._orig_mod."), Fitted("", "module._orig_mod.")),
        ({"state_dict": with_prefix("model.net.")}, Fitted("state_dict", "model.net.")),
        ({"model_state_dict": STATE, "optimizer": OPTIMIZER}, Fitted("model_state_dict")),
        ({"optim": OPTIMIZER, "net": STATE, "epoch": 3}, Fitted("net")),
        ({"model": OLD, "model_ema": STATE}, Fitted("model_ema")),
        ({"model": OLD, "ema": {"module": STATE}}, Fitted("ema.module")),
        (
            {"state_dict": {"state_dict": with_prefix("pose.")}},
            Fitted("state_dict.state_dict", "pose."),
        ),
        ({"n_averaged": torch.tensor(4), **with_prefix("module.")}, Fitted("", "module.")),
        (
            {"state_dict": {**with_prefix("model."), "loss.weight": torch.ones(1)}},
            Fitted("state_dict", "model."),
        ),
        (
            {
                "state_dict": {
                    **with_prefix("student."),
                    **with_prefix("student.aux.", {"w": torch.ones(1)}),
                }
            },
            Fitted("state_dict", "student.", ("aux.w",)),
        ),
    ],
)
def test_weights_are_found_wherever_trainers_put_them(content, fitted, tmp_path):
    module = network()
    assert checkpoints.load(module, saved(tmp_path, content)) == fitted
    assert is_loaded(module)


def test_half_precision_weights_are_taken(tmp_path):
    module = network()
    state = {k: v.half() if v.is_floating_point() else v for k, v in STATE.items()}
    checkpoints.load(module, saved(tmp_path, state))
    assert module[0].weight.dtype == torch.float32
    torch.testing.assert_close(module[0].weight, STATE["0.weight"], atol=1e-3, rtol=1e-3)


ODD = {
    "int8": lambda w: w.to(torch.int8),
    "bool": lambda w: w > 0,
    "complex64": lambda w: w.to(torch.complex64),
    "meta": lambda w: w.to("meta"),
    "sparse": lambda w: w.to_sparse(),
    "quantized": lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8),
    "NaN": lambda w: w * float("nan"),
    "infinite": lambda w: w / 0,
    "float8": lambda w: w.to(torch.float8_e4m3fn),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_are_no_plain_numbers_are_refused_by_name(kind, tmp_path):
    path = saved(tmp_path, {**STATE, "0.weight": ODD[kind](STATE["0.weight"])})
    module = network()
    before = module[0].weight.detach().clone()
    with pytest.raises(CheckpointError, match=r"0\.weight") as raised:
        checkpoints.load(module, path)
    assert kind in str(raised.value)
    assert torch.equal(module[0].weight, before)


def test_what_does_not_fit_is_listed_for_the_nearest_weights(tmp_path):
    state = dict(STATE)
    state["2.weight"] = torch.ones(5, 4, 1, 1)
    with pytest.raises(
        CheckpointError, match=r"2\.weight \(5, 4, 1, 1\) instead of \(2, 4, 1, 1\)"
    ):
        checkpoints.load(network(), saved(tmp_path, {"model": state, "ema": {"x": torch.ones(1)}}))


@pytest.mark.parametrize("content", [{"epoch": 3}, {}, [torch.ones(2)]])
def test_a_checkpoint_without_weights_is_refused(content, tmp_path):
    with pytest.raises(CheckpointError, match="holds no weights"):
        checkpoints.load(network(), saved(tmp_path, content))


def test_safetensors_are_read_by_their_library(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "w.safetensors"
    safetensors.save_file(with_prefix("model."), path)
    module = network()
    assert checkpoints.load(module, path) == Fitted("", "model.")
    assert is_loaded(module)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="cannot read"):
        checkpoints.load(module, path)
    path.unlink()
    with pytest.raises(ModelFileMissingError):
        checkpoints.load(module, path)


def test_without_that_library_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.startswith("safetensors") or "safetensors_file" in str(arguments[2:3]):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BackendUnavailableError, match=r"litepose-edge\[safetensors\]"):
        checkpoints.load(network(), tmp_path / "w.safetensors")


def test_a_bit_that_flipped_in_an_archive_is_damage(tmp_path):
    path = saved(tmp_path, STATE)
    content = bytearray(path.read_bytes())
    place = content.find(STATE["0.weight"].numpy().tobytes())
    content[place + 5] ^= 64
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="CRC"):
        checkpoints.load(network(), path)


def _in_directory(path, end_of_name):
    """Where an archive's directory tells of a member."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(end_of_name))
    place = path.read_bytes().rfind(name.encode()) - 46
    assert path.read_bytes()[place : place + 4] == b"PK\1\2"
    return place


def test_a_member_that_is_marked_as_a_folder_is_damage(tmp_path):
    path = saved(tmp_path, STATE)
    content = bytearray(path.read_bytes())
    attributes = _in_directory(path, "/data/1") + 38
    content[attributes] |= 0x10
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load(network(), path)


def test_one_checksum_that_is_gone_is_damage(tmp_path):
    path = saved(tmp_path, STATE)
    content = bytearray(path.read_bytes())
    entry = _in_directory(path, "/data/1")
    content[entry + 16 : entry + 20] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="CRC"):
        checkpoints.load(network(), path)


def test_a_member_of_no_packed_bytes_and_no_checksum_is_damage(tmp_path):
    path = saved(tmp_path, STATE)
    content = bytearray(path.read_bytes())
    entry = _in_directory(path, "/data/1")
    content[entry + 16 : entry + 24] = bytes(8)  # checksum and packed size
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load(network(), path)


def test_an_archive_whose_writer_left_the_checksums_out_is_taken(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path, STATE)
    finally:
        torch.serialization.set_crc32_options(before)
    module = network()
    checkpoints.load(module, path)
    assert is_loaded(module)


def old_file(tmp_path, content):
    path = tmp_path / "old.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_a_file_of_an_old_pytorch_is_taken_with_shared_and_nested_tensors(tmp_path):
    shared = torch.arange(6.0)
    content = {"state_dict": {"a": shared, "b": shared[2:4], "c": nn.Parameter(torch.ones(2))}}
    path = old_file(tmp_path, {**content, "epoch": 3, "sizes": [(1, 2), {3}]})
    state = checkpoints.read_state(path)
    assert {key: value.tolist() for key, value in state.items()} == {
        "a": [0, 1, 2, 3, 4, 5], "b": [2, 3], "c": [1, 1],
    }  # fmt: skip


def test_values_that_an_old_file_does_not_list_are_not_left_as_memory_was(tmp_path):
    path = old_file(tmp_path, {"a": torch.zeros(4), "b": torch.ones(4)})
    head, mark, listed = path.read_bytes().rpartition(b"\x80\x02]")
    first, second = re.findall(rb"\d{8,}", listed)
    path.write_bytes(head + mark + listed.replace(second, first))
    with pytest.raises(CheckpointError, match="values of some tensors are not in the file"):
        checkpoints.read_state(path)
