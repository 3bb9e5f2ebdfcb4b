"""Stanford 40 Actions' boxes as a COCO file."""

from __future__ import annotations

import json

import pytest

from litepose_edge.errors import SourceError
from litepose_edge.measure.accuracy.coco import read_coco
from recipes.steps import stanford40_boxes

ANNOTATION = """<annotation><filename>{name}.jpg</filename><object><name>person</name>
<bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin><ymax>400</ymax><ymin>57</ymin></bndbox></object>
<size><depth>3</depth><height>400</height><width>300</width></size></annotation>"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "XMLAnnotations").mkdir()
    for number, name in enumerate(("waving_002", "applauding_001")):
        text = ANNOTATION.format(name=name, x1=28 - number, x2=258)
        (tmp_path / "XMLAnnotations" / f"{name}.xml").write_text(text)
    return tmp_path


def test_the_detector_reads_the_boxes(folder):
    path = folder / "boxes.json"
    path.write_text(json.dumps(stanford40_boxes.coco_document(folder)))
    dataset = read_coco(path, folder)
    assert [image.path.name for image in dataset] == ["applauding_001.jpg", "waving_002.jpg"]
    # 1-based and inclusive there; edges from 0 on here.
    assert dataset.images[1].boxes_xyxy.tolist() == [[27, 56, 258, 400]]


def test_another_file_is_refused(folder):
    (folder / "XMLAnnotations" / "zz.xml").write_text("<annotation><size/></annotation>")
    with pytest.raises(SourceError, match=r"zz.xml is no annotation of Stanford 40"):
        stanford40_boxes.coco_document(folder)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"holds no \.xml files"):
        stanford40_boxes.coco_document(tmp_path)
