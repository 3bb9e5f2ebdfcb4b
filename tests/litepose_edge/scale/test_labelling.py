"""`label` in one process, with people told by pixels: what is made, kept, refused, recorded."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fake_labelling import FAULTY, fake_job, write_film, write_picture, write_pictures
from litepose_edge.errors import OutputError, SourceError
from litepose_edge.measure.accuracy.coco_document import read_document
from litepose_edge.scale import LabelOptions, label, labelling
from litepose_edge.scale.crops import CropsFolder
from litepose_edge.scale.folder import RunFolder

SMALL = LabelOptions(shard_size=4)


def run(sources, out, options=SMALL, **more):
    return label(sources, out, options, workers=0, **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def rows(out: Path) -> list[dict]:
    return pq.read_table(out / "people").to_pylist()


def test_every_person_of_every_image_is_a_row(archive, tmp_path):
    summary = run(archive, tmp_path / "out")
    found = sorted((row["source"], row["keypoints"][0][0]) for row in rows(tmp_path / "out"))
    names = [str(archive / f"{i:04d}.png") for i in range(20)]
    assert found == [(names[i], i + j) for i in range(20) for j in range(i % 3)]
    assert (summary.inputs, summary.frames, summary.people) == (20, 20, len(found))
    assert summary.failed == 0
    assert pq.read_table(summary.failures).num_rows == 0


def test_a_second_run_does_what_is_missing_alone(archive, tmp_path):
    first = run(archive, tmp_path / "out")
    before = contents(tmp_path / "out")
    again = run(archive, tmp_path / "out")
    assert (again.shards, again.kept, again.inputs) == (0, first.shards, 0)
    shards = sorted((tmp_path / "out" / "people").iterdir())
    shards[1].unlink()
    (shards[1].parent / ".0123.part.parquet").write_bytes(b"half")
    again = run(archive, tmp_path / "out")
    assert (again.shards, again.kept) == (1, first.shards - 1)
    assert contents(tmp_path / "out") == before


def test_an_archive_that_grows_has_no_row_twice(archive, tmp_path, monkeypatch):
    # Units end where digests of names say: names that are the same wherever tests run.
    monkeypatch.chdir(archive.parent)
    named = Path(archive.name)
    run(named, tmp_path / "out")
    write_picture(archive / "0007b.png", people=3)
    summary = run(named, tmp_path / "out")
    assert summary.kept > summary.shards
    assert summary.removed >= 1
    run(named, tmp_path / "other")
    kept, anew = contents(tmp_path / "out" / "people"), contents(tmp_path / "other" / "people")
    assert kept == anew


def write_list(path, files):
    path.write_text("".join(f"{file}\n" for file in files))
    return path


def test_shards_of_the_rest_stay_when_a_list_ends_too_early(archive, tmp_path):
    files = sorted(archive.iterdir())
    listed = write_list(tmp_path / "list.txt", files)
    first = run([], tmp_path / "out", lists=[listed])
    before, all_rows = contents(tmp_path / "out" / "people"), rows(tmp_path / "out")
    write_list(listed, files[:10])
    short = run([], tmp_path / "out", lists=[listed])
    assert short.others >= 1
    assert f"{short.others} shards of inputs that are named no more" in str(short)
    found = [row["source"] for row in rows(tmp_path / "out")]
    assert {str(file) for file in files[:10]} & {r["source"] for r in all_rows} <= set(found)
    assert len({*map(str, files[16:])} & set(found)) >= 1
    # No row twice: the shard in which the list ended was done anew.
    assert len(found) == len(
        {(r["source"], tuple(r["keypoints"][0])) for r in rows(tmp_path / "out")}
    )
    write_list(listed, files)
    again = run([], tmp_path / "out", lists=[listed])
    assert again.others == 0
    assert again.kept + again.shards == first.shards
    assert contents(tmp_path / "out" / "people") == before


def test_shards_of_vanished_inputs_are_removed_when_asked(archive, tmp_path):
    run(archive, tmp_path / "out")
    for file in sorted(archive.iterdir())[10:]:
        file.unlink()
    left = run(archive, tmp_path / "out")
    summary = run(archive, tmp_path / "out", prune=True)
    assert (summary.removed, summary.others) == (left.others, 0)
    assert left.others >= 1
    run(archive, tmp_path / "anew")
    assert contents(tmp_path / "out") == contents(tmp_path / "anew")


def test_shards_stay_when_a_source_cannot_be_listed(archive, tmp_path):
    (tmp_path / "more").mkdir()
    write_pictures(tmp_path / "more", 3)
    sources = [archive, tmp_path / "more"]
    run(sources, tmp_path / "out")
    before = contents(tmp_path / "out" / "people")
    (tmp_path / "more").rename(tmp_path / "away")
    summary = run(sources, tmp_path / "out")
    assert (summary.removed, summary.failed) == (0, 1)
    assert before.items() <= contents(tmp_path / "out" / "people").items()
    (tmp_path / "away").rename(tmp_path / "more")
    assert run(sources, tmp_path / "out").failed == 0
    assert contents(tmp_path / "out" / "people") == before


def test_each_failure_is_one_row_with_its_reason(archive, tmp_path):
    (archive / "0003b.png").write_bytes((archive / "0003.png").read_bytes()[:40])
    (archive / "0005.jpg").write_bytes(b"no picture")
    write_picture(archive / "0009b.png", width=FAULTY)
    summary = run([archive, tmp_path / "none.jpg"], tmp_path / "out")
    failed = {row["source"]: row for row in pq.read_table(summary.failures).to_pylist()}
    assert summary.failed == len(failed) == 4
    kinds = {Path(source).name: row["kind"] for source, row in failed.items()}
    assert kinds == {
        "0003b.png": "source", "0005.jpg": "source", "0009b.png": "error", "none.jpg": "source",
    }  # fmt: skip
    faulty = failed[str(archive / "0009b.png")]
    assert faulty["reason"] == "ZeroDivisionError: a fault of two lines"
    assert summary.frames == 20
    # A second run tries nothing of it again, and says it again.
    again = run([archive, tmp_path / "none.jpg"], tmp_path / "out")
    assert (again.failed, again.inputs) == (4, 0)


def test_failed_inputs_are_tried_again_when_that_is_wanted(archive, tmp_path):
    (archive / "0005.png").write_bytes(b"no picture")
    assert run(archive, tmp_path / "out").failed == 1
    write_picture(archive / "0005.png", people=2, place=5)
    assert run(archive, tmp_path / "out").failed == 1
    summary = run(archive, tmp_path / "out", retry_failed=True)
    assert (summary.failed, summary.shards) == (0, 1)
    assert {r["source"] for r in rows(tmp_path / "out")} >= {str(archive / "0005.png")}


def test_inputs_that_come_again_are_labelled_again(archive, tmp_path):
    name = archive / "0002.png"
    (tmp_path / "list.txt").write_text(f"{name}\n" * 8)
    summary = run([], tmp_path / "out", LabelOptions(shard_size=1), lists=[tmp_path / "list.txt"])
    assert (summary.shards, len(rows(tmp_path / "out"))) == (8, 16)


@pytest.mark.parametrize(
    ("sources", "options", "said"),
    [
        ("in", LabelOptions(shard_size=4, max_people=3), "with options: max_people 20, not 3"),
        ("in", LabelOptions(shard_size=8), "shard_size 4, not 8"),
        ("in/0001.png", SMALL, "of sources named"),
    ],
)
def test_a_folder_of_another_run_is_refused(archive, tmp_path, sources, options, said):
    run(archive, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match="another run") as error:
        run(tmp_path / sources, tmp_path / "out", options)
    assert said in str(error.value)
    assert "--out" in str(error.value)
    assert contents(tmp_path / "out") == before


def test_other_networks_are_refused(archive, tmp_path, monkeypatch):
    run(archive, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "run.json").read_text())
    about["models"]["model"] = "f" * 64
    (tmp_path / "out" / "run.json").write_text(json.dumps(about))
    with pytest.raises(OutputError, match="models: model"):
        run(archive, tmp_path / "out")


def test_other_versions_are_refused_and_the_same_are_taken(archive, tmp_path, monkeypatch):
    def with_engine(version):
        def make(options):
            return replace(fake_job(options), versions={"litepose-edge": "1", "engine": version})

        monkeypatch.setattr(labelling, "make_job", make)

    with_engine("1.20")
    first = run(archive, tmp_path / "out")
    before = contents(tmp_path / "out")
    with_engine("1.21")
    with pytest.raises(OutputError) as error:
        run(archive, tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path / 'out'} holds labels made with engine 1.20, and here is engine 1.21: install "
        "what made them to go on, or give another --out"
    )
    assert contents(tmp_path / "out") == before
    with_engine("1.20")
    assert run(archive, tmp_path / "out").kept == first.shards


def test_labels_of_unknown_versions_are_refused(archive, tmp_path, monkeypatch):
    run(archive, tmp_path / "out")
    record = tmp_path / "out" / "run.json"
    about = json.loads(record.read_text())
    del about["versions"]
    record.write_text(json.dumps(about))
    versions = {"litepose-edge": "1"}
    monkeypatch.setattr(labelling, "make_job", lambda o: replace(fake_job(o), versions=versions))
    with pytest.raises(OutputError, match="with litepose-edge unknown, and here is litepose-edge"):
        run(archive, tmp_path / "out")


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    about = {"sources": [], "options": {}}
    folder = RunFolder(tmp_path / "out", about, ".parquet")
    with pytest.raises(OutputError, match="another run is writing"):
        RunFolder(tmp_path / "out", about, ".parquet")
    folder.close()
    RunFolder(tmp_path / "out", about, ".parquet").close()


def test_relative_names_mean_the_same_from_another_folder(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("in", "out")
    monkeypatch.chdir(archive)
    assert run("../in", tmp_path / "other").failed == 0
    with pytest.raises(OutputError, match="another run"):
        run("in", "../out")


def test_a_list_of_relative_names_means_other_files_in_another_folder(fake, monkeypatch):
    for name, people in (("a", 1), ("b", 2)):
        (fake / name).mkdir()
        write_picture(fake / name / "one.png", people=people)
    listed = write_list(fake / "list.txt", ["one.png"])
    monkeypatch.chdir(fake / "a")
    run([], fake / "out", lists=[listed])
    assert run([], fake / "out", lists=[listed]).kept == 1
    monkeypatch.chdir(fake / "b")
    summary = run([], fake / "out", lists=[listed])
    assert (summary.kept, summary.shards, summary.others) == (0, 1, 1)
    assert len(rows(fake / "out")) == 3


@pytest.mark.parametrize(("every", "expected"), [(1, range(10)), (3, range(0, 10, 3))])
def test_films_are_taken_frame_by_frame(fake, every, expected):
    write_film(fake / "a.avi")
    summary = run(fake / "a.avi", fake / "out", LabelOptions(every=every))
    found = rows(fake / "out")
    assert sorted({row["frame"] for row in found}) == list(expected)
    assert [row["time_s"] for row in found] == sorted(row["time_s"] for row in found)
    assert {row["id"] for row in found} == {None}
    assert summary.frames == len(expected)


def test_tracked_people_have_ids(fake):
    write_film(fake / "a.avi", 3)
    run(fake / "a.avi", fake / "out", LabelOptions(track=True))
    assert {row["id"] is not None for row in rows(fake / "out")} == {True}


def test_a_film_that_breaks_off_keeps_its_frames_and_is_named(fake):
    write_film(fake / "a.avi", 30)
    content = (fake / "a.avi").read_bytes()
    (fake / "a.avi").write_bytes(content[: len(content) // 2])
    summary = run(fake / "a.avi", fake / "out")
    assert summary.failed == 1
    assert 0 < summary.frames < 30


def test_crops_are_a_training_set(archive, tmp_path):
    options = LabelOptions(shard_size=4, crops=str(tmp_path / "crops"))
    summary = run(archive, tmp_path / "out", options)
    document = read_document(tmp_path / "crops" / "labels.json")
    assert len(document.images) == summary.people
    before = contents(tmp_path / "crops")
    next((tmp_path / "out" / "people").iterdir()).unlink()
    run(archive, tmp_path / "out", options)
    assert contents(tmp_path / "crops") == before
    shutil.rmtree(tmp_path / "crops")
    run(archive, tmp_path / "out", options)
    assert contents(tmp_path / "crops") == before


def test_crops_of_removed_shards_are_removed(archive, tmp_path):
    options = LabelOptions(shard_size=4, crops=str(tmp_path / "crops"))
    run(archive, tmp_path / "out", options)
    write_picture(archive / "0007b.png", people=3)
    (archive / "0019.png").unlink()
    (tmp_path / "crops" / "images" / "of-mine.jpg").write_bytes(b"mine")
    assert run(archive, tmp_path / "out", options, prune=True).removed >= 2
    pictures = {path.name for path in (tmp_path / "crops" / "images").iterdir()} - {"of-mine.jpg"}
    labelled = json.loads((tmp_path / "crops" / "labels.json").read_text())["images"]
    assert pictures == {image["file_name"] for image in labelled}
    parts = {path.stem for path in (tmp_path / "crops" / ".parts").iterdir()}
    assert parts == {path.stem for path in (tmp_path / "out" / "people").iterdir()}
    assert (tmp_path / "crops" / "images" / "of-mine.jpg").exists()


def test_a_crops_folder_belongs_to_one_run(archive, tmp_path):
    options = LabelOptions(shard_size=4, crops=str(tmp_path / "crops"))
    run(archive, tmp_path / "out", options)
    before = contents(tmp_path / "crops")
    with pytest.raises(OutputError, match=r"another run, of sources .* give another --crops"):
        run(archive / "0001.png", tmp_path / "other", options)
    folder = CropsFolder(options.crops, json.loads((tmp_path / "crops/run.json").read_bytes()))
    with pytest.raises(OutputError, match=r"is writing .* or give another --crops"):
        run(archive, tmp_path / "out", options)
    folder.close()
    assert contents(tmp_path / "crops") == before
    run(archive, tmp_path / "again", options)  # the same pictures, for the same labels
    assert contents(tmp_path / "crops") == before


def test_labels_of_ones_own_are_not_overwritten_by_those_of_crops(archive, tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "labels.json").write_text("{}")
    with pytest.raises(OutputError, match=r"no run\.json says .* give another --crops"):
        run(archive, tmp_path / "out", LabelOptions(crops=str(tmp_path / "crops")))
    assert (tmp_path / "crops" / "labels.json").read_text() == "{}"


def test_crops_may_lie_beside_the_shards(archive, tmp_path):
    options = LabelOptions(shard_size=4, crops=str(tmp_path / "out"))
    first = run(archive, tmp_path / "out", options)
    assert run(archive, tmp_path / "out", options).kept == first.shards


def test_an_object_store_is_an_archive(archive, tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    for path in archive.iterdir():
        system.pipe(f"/photos/{path.name}", path.read_bytes())
    try:
        summary = run("memory://photos", tmp_path / "out")
        assert (summary.inputs, summary.failed) == (20, 0)
        assert rows(tmp_path / "out")[0]["source"].startswith("memory:///photos/")
        system.rm("/photos/0004.png")
        (tmp_path / "list.txt").write_text("memory://photos/0004.png\nmemory://photos/0005.png\n")
        summary = run([], tmp_path / "listed", lists=[tmp_path / "list.txt"])
        (failure,) = pq.read_table(summary.failures).to_pylist()
        assert failure["reason"] == "no such file: memory://photos/0004.png"
    finally:
        system.rm("/photos", recursive=True)


@pytest.mark.parametrize(
    "given", [{"format": "csv"}, {"every": 0}, {"shard_size": 0}, {"min_score": float("nan")}]
)
def test_options_are_checked(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        LabelOptions(**given)


def test_no_source_is_an_error(fake):
    with pytest.raises(ValueError, match="no sources"):
        run([], fake / "out")


@pytest.mark.parametrize(
    ("address", "said"), [("127.0.0.1:1", "no Ray cluster answers at"), ("host", "such as 192")]
)
def test_an_address_where_nothing_answers_is_an_error(archive, tmp_path, address, said):
    pytest.importorskip("ray")
    with pytest.raises(SourceError, match=said):
        label(archive, tmp_path / "out", SMALL, ray=address)
