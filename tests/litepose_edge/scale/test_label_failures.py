"""What `label` says of inputs that fail, and of a caller that does."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from litepose_edge.scale import LabelOptions, label

SMALL = LabelOptions(shard_size=4)


def run(sources, out, options=SMALL, **more):
    return label(sources, out, options, workers=0, **more)


def test_broken_files_of_any_name_and_malformed_urls_are_rows_of_failures(archive, tmp_path):
    broken = os.fsencode(archive) + b"/caf\xe9.png"
    Path(os.fsdecode(broken)).write_bytes(b"\x89PNG broken")
    listed = tmp_path / "list.txt"
    listed.write_bytes(broken + b"\nhttp://[::1/x.jpg\n" + os.fsencode(archive / "0001.png"))
    summary = run([], tmp_path / "out", lists=[str(listed)])
    failures = pq.read_table(summary.failures).to_pylist()
    assert [row["source"].rpartition("/")[2] for row in failures] == ["caf\\udce9.png", "x.jpg"]
    assert summary.people == 1


def test_no_password_is_in_the_record(archive, tmp_path):
    run([str(archive), "nosuch://user:s3cret@host/dir"], tmp_path / "out")
    assert b"s3cret" not in b"".join(
        p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()
    )


@pytest.mark.parametrize("error", [BrokenPipeError, ZeroDivisionError])
def test_what_the_callers_function_raises_ends_the_run(archive, tmp_path, error):
    def on_frame(people):
        raise error("the caller's")

    with pytest.raises(error, match="the caller's"):
        run(archive, tmp_path / "out", on_frame=on_frame)
