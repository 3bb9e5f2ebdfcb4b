"""Every promise of SECURITY.md is held by a test, which is named here."""

from __future__ import annotations

import ast
import re

import pytest

from paths import ROOT

SECURITY = ROOT / "SECURITY.md"
RUNTIME, EXPORTER = "tests/litepose_edge/", "tests/litepose_export/"
OFFLINE = (
    f"{RUNTIME}test_offline.py::"
    "test_the_library_starts_no_process_speaks_to_no_host_and_unpickles_nothing"
)
LABEL_PROCESSES = f"{RUNTIME}scale/test_workers.py::test_processes_"
SWITCHES = (
    f"{RUNTIME}backends/test_telemetry.py::"
    "test_the_switches_are_set_on_import_and_a_users_own_are_kept"
)
NOTHING_LEFT = (
    f"{RUNTIME}backends/test_telemetry.py::"
    "test_nothing_is_left_in_the_home_folder_and_no_host_is_called"
)
# How a sentence begins, and the tests that hold it.
HELD = {
    "It downloads no model": [
        OFFLINE,
        f"{LABEL_PROCESSES}make_what_one_process_makes_and_survive_their_inputs",
    ],
    "Its own code opens no network": [
        OFFLINE,
        f"{RUNTIME}scale/test_remote.py::test_a_page_is_a_file_while_it_is_needed",
        f"{RUNTIME}scale/test_cluster.py::test_auto_joins_the_cluster_that_runs_here",
    ],
    "`Estimator` starts no process": [OFFLINE],
    "Of the commands, `doctor`, `bench` and": [
        f"{RUNTIME}scale/test_workers.py::"
        "test_workers_end_with_a_killed_driver_and_a_second_run_completes",
        f"{RUNTIME}test_offline.py::"
        "test_the_commands_start_no_process_speak_to_no_host_and_unpickle_nothing",
        f"{RUNTIME}measure/doctor/test_doctor.py::"
        "test_the_whole_command_survives_an_engine_that_kills_its_process",
        f"{RUNTIME}measure/machine/test_processor.py::test_a_mac_is_asked_by_sysctl",
    ],
    "Bundled models are checked": [
        f"{RUNTIME}backends/test_bundled.py::test_a_bundled_file_that_was_changed_is_refused"
    ],
    "Weights that lie in a second file": [
        f"{RUNTIME}backends/test_external_data.py::test_swapped_weights_are_refused"
    ],
    "External data are read from": [
        f"{RUNTIME}backends/test_external_data.py::"
        "test_weights_elsewhere_are_refused_before_an_engine_sees_them"
    ],
    "The size in an image file's header": [
        f"{RUNTIME}sources/test_sources.py::"
        "test_a_header_that_claims_too_much_is_refused_before_decoding"
    ],
    "A frame of a video or an array": [
        f"{RUNTIME}test_options.py::test_the_limit_of_pixels_holds_wherever_a_frame_is_taken"
    ],
    "No more of a file is read": [
        f"{RUNTIME}sources/test_picture_files.py::"
        "test_a_file_larger_than_any_picture_is_not_read_whole",
        f"{RUNTIME}sources/test_picture_files.py::"
        "test_a_png_chunk_that_claims_more_than_there_is_reserves_nothing",
    ],
    "So is a picture of more chunks": [
        f"{RUNTIME}sources/test_picture_files.py::test_millions_of_empty_boxes_are_damage",
        f"{RUNTIME}sources/test_picture_files.py::test_a_jpeg_of_thousands_of_scans_is_damage",
        f"{RUNTIME}sources/formats/test_webp_bytes.py::test_millions_of_empty_chunks_are_damage",
    ],
    "Named pipes": [
        f"{RUNTIME}sources/test_opening.py::test_a_named_pipe_is_an_error_within_a_second",
        f"{RUNTIME}sources/test_opening.py::test_a_device_without_end_is_an_error_within_memory",
        f"{EXPORTER}cli/test_files_without_end.py::test_a_file_without_end_is_one_line_at_once",
    ],
    "Models, labels and other documents": [
        f"{RUNTIME}test_atomic_files.py::"
        "test_a_file_larger_than_memory_is_refused_before_it_is_read",
        f"{EXPORTER}cli/test_files_without_end.py::test_a_file_without_end_is_one_line_at_once",
    ],
    "A command that is ended by SIGTERM": [
        f"{RUNTIME}cli/test_console.py::"
        "test_a_command_that_is_to_end_leaves_no_temporary_file_and_the_old_file",
        f"{RUNTIME}cli/test_cli.py::"
        "test_sigterm_while_a_film_is_saved_leaves_what_was_written_and_no_other_file",
        f"{EXPORTER}conversion/test_own_networks.py::"
        "test_sigterm_ends_an_export_with_143_and_leaves_the_old_file",
    ],
    "`serve` alone listens": [
        f"{RUNTIME}serve/web/test_auth.py::test_loopback_is_what_only_this_machine_reaches"
    ],
    "`serve` does so at this machine's own address": [
        f"{RUNTIME}cli/test_serve.py::test_what_would_be_unsafe_is_refused"
    ],
    "Requests by a name that is not": [
        f"{RUNTIME}serve/web/test_guard.py::test_a_name_that_points_here_is_not_answered",
        f"{RUNTIME}serve/web/test_guard.py::"
        "test_pages_of_other_origins_change_nothing_and_read_nothing",
    ],
    "No path of a request reaches": [
        f"{RUNTIME}serve/web/test_guard.py::test_no_path_leads_to_the_file_system"
    ],
    "Connections, rates, sizes and times": [
        f"{RUNTIME}serve/web/test_connections.py::"
        "test_one_address_holds_so_many_connections_and_no_more",
        f"{RUNTIME}serve/web/test_connections.py::test_a_head_that_comes_in_drops_ends_in_time",
        f"{RUNTIME}serve/web/test_connections.py::"
        "test_a_body_too_long_is_refused_before_it_is_read",
        f"{RUNTIME}serve/web/test_limits.py::test_a_burst_passes_then_a_steady_rate_does",
    ],
    "A camera or stream that gives no frame": [
        f"{RUNTIME}sources/test_live.py::"
        "test_a_stream_over_the_network_stops_with_an_error_or_goes_on"
    ],
    "Results, reports, models": [
        f"{RUNTIME}test_atomic_files.py::test_a_full_disk_is_an_error_and_the_old_file_stays",
        f"{RUNTIME}cli/test_console.py::"
        "test_a_result_that_cannot_be_printed_is_one_line_and_exit_code_1",
        f"{EXPORTER}cli/test_targets_and_images.py::"
        "test_a_full_disk_keeps_the_old_checkpoint_and_log",
    ],
    "A video, or JSON lines of one": [
        f"{RUNTIME}cli/test_console.py::test_lines_are_kept_when_the_source_breaks_off",
        f"{RUNTIME}cli/predict/test_film_writer.py::"
        "test_what_breaks_off_keeps_its_frames_and_what_gave_none_the_old_film",
    ],
    "One label that is not finite": [
        f"{RUNTIME}measure/accuracy/test_coco_document.py::"
        "test_a_wrong_label_is_one_sentence_that_names_the_annotation"
    ],
    "Checkpoints are read with": [
        f"{EXPORTER}conversion/test_export.py::test_a_checkpoint_with_code_is_refused_and_nothing_is_executed"
    ],
    "`train` asks `git`": [
        f"{EXPORTER}training/runs/test_runner.py::"
        "test_the_commit_is_what_git_says_and_unknown_where_there_is_none"
    ],
    "`search` runs the command": [
        f"{EXPORTER}search/costs/test_measure.py::test_a_command_counts_what_lies_in_its_folder",
        f"{EXPORTER}search/test_judges.py::test_local_processes_give_the_scores_of_one",
        f"{EXPORTER}search/test_judges.py::test_a_ray_cluster_gives_the_same_scores",
    ],
    "The packages that run the models": [NOTHING_LEFT, SWITCHES],
    "ONNX Runtime 1.29 and newer": [NOTHING_LEFT],
    "`import litepose_edge` sets": [SWITCHES],
    "OpenVINO and NNCF report": [
        f"{RUNTIME}backends/test_telemetry.py::test_openvino_reports_if_the_user_asks"
    ],
    "We import them with that package": [
        f"{RUNTIME}backends/test_telemetry.py::test_openvino_reports_only_if_the_user_asks",
        f"{RUNTIME}backends/test_telemetry.py::"
        "test_a_user_without_a_home_folder_or_an_entry_can_predict",
    ],
    "`RAY_USAGE_STATS_ENABLED=0`": [SWITCHES],
    "An application that imports an engine": [
        f"{RUNTIME}backends/test_telemetry.py::"
        "test_an_engine_that_the_application_loaded_first_is_told_to_be_silent"
    ],
    "Import `litepose_edge` first": [
        SWITCHES,
        f"{RUNTIME}backends/test_telemetry.py::"
        "test_an_applications_own_import_of_the_telemetry_package_is_given_back",
    ],
    "OpenVINO's compiled networks": [
        f"{RUNTIME}backends/test_backends.py::test_openvino_compiles_a_network_once"
    ],
}


def promises() -> list[str]:
    """The sentences of all sections but the last, which says what is not promised."""
    text = SECURITY.read_text("utf-8").partition("**What is not promised.**")[0]
    text = re.sub(r"```.*?```", "\n\n", text, flags=re.DOTALL)
    parts = [re.sub(r"^- |^#.*|\*\*[^*]+\*\* ?", "", part) for part in text.split("\n")]
    sentences = [s for part in parts for s in re.split(r"(?<=\.) (?=[A-Z`])", part.strip()) if s]
    return [s for s in sentences if s.strip(" .") and not s.startswith("or uninstall")]


@pytest.mark.parametrize("sentence", promises(), ids=lambda sentence: sentence[:40])
def test_a_promise_is_held_by_tests_that_are_there(sentence):
    held = [tests for beginning, tests in HELD.items() if sentence.startswith(beginning)]
    assert held, f"no test is named for: {sentence}"
    for test in held[0]:
        path, _, name = test.partition("::")
        module = ast.parse((ROOT / path).read_text("utf-8"))
        names = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
        assert name in names, f"{test} is not there"


def test_no_test_is_named_for_a_promise_that_is_not_made():
    said = promises()
    assert not [b for b in HELD if not any(sentence.startswith(b) for sentence in said)]
