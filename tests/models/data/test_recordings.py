"""Recordings are found in each of the layouts that people have them in."""

from pathlib import Path

import pytest
import soundfile

from models.data.recordings import AUDIO, DataError, counted, passed_over, read_all, read_any


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refused(folder: Path) -> tuple[str, str]:
    """Code and message of the error that reading a folder raises."""
    with pytest.raises(DataError) as error:
        read_any(folder)
    return error.value.code, error.value.message


def test_a_metadata_csv_is_read(tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", "path,dataset,label,fold,licence\na/b.ogg,esc10,dog_bark,3,CC0\n")
    (recording,) = read_any(tmp_path)
    assert recording.path == tmp_path / "a" / "b.ogg"
    assert (recording.labels, recording.fold, recording.dataset) == (("dog_bark",), 3, "esc10")


@pytest.mark.parametrize(
    ("licence", "free"),
    [("CC0", True), ("CC-BY", True), ("CC BY 4.0", True), ("Public Domain", True)]
    + [(other, False) for other in ("CC BY-NC 3.0", "CC BY-SA 4.0", "Sampling+", "Apache-2.0", "")],
)
def test_a_licence_says_whether_a_recording_is_free(licence: str, free: bool, tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", f"path,dataset,label,fold,licence\na.ogg,x,rain,3,{licence}\n")
    assert read_any(tmp_path)[0].free is free


def test_esc50_as_published_gives_all_its_classes_those_of_esc10_under_our_names(tmp_path: Path) -> None:
    heading = "filename,fold,target,category,esc10,src_file,take\n"
    rows = f"{heading}1-1-A-0.wav,1,0,dog,True,1,A\n2-1-A-5.wav,2,5,cat,False,1,A\n"
    written(tmp_path / "meta" / "esc50.csv", rows)
    dog, cat = read_any(tmp_path)
    assert (dog.labels, dog.dataset, dog.path) == (("dog_bark",), "esc10", tmp_path / "audio" / "1-1-A-0.wav")
    assert (cat.labels, cat.dataset, cat.fold) == (("cat_meow",), "esc50", 2)


def test_urbansound8k_as_published_is_read(tmp_path: Path) -> None:
    rows = "slice_file_name,fsID,start,end,salience,fold,classID,class\n7-3-0-0.wav,7,0,1,1,5,3,dog_bark\n"
    written(tmp_path / "metadata" / "UrbanSound8K.csv", rows)
    (recording,) = read_any(tmp_path)
    assert recording.path == tmp_path / "audio" / "fold5" / "7-3-0-0.wav"
    assert (recording.labels, recording.fold) == (("dog_bark",), 5)


def test_folders_of_labels_are_read_and_a_file_keeps_its_fold(tmp_path: Path) -> None:
    for name in ("kettle/one.wav", "kettle/two.flac", "door/one.mp3", "door/notes.txt"):
        written(tmp_path / name, "")
    recordings = read_any(tmp_path)
    assert sorted(recording.labels[0] for recording in recordings) == ["door", "kettle", "kettle"]
    assert all(1 <= recording.fold <= 5 for recording in recordings)
    ones = {recording.fold for recording in recordings if recording.path.stem == "one"}
    assert len(ones) == 1


def test_cuts_of_one_recording_share_their_source_and_fold(tmp_path: Path) -> None:
    for number in range(20):
        written(tmp_path / "kettle" / f"park~{number}.wav", "")
        written(tmp_path / "kettle" / f"park-{number}.wav", "")
    recordings = read_any(tmp_path)
    cuts = {(r.source, r.fold) for r in recordings if "~" in r.path.name}
    others = [r for r in recordings if "~" not in r.path.name]
    assert [source for source, _ in cuts] == ["park"]
    assert len({r.source for r in others}) == 20
    assert len({r.fold for r in others}) > 1


def test_some_folders_are_read_one_after_another(tmp_path: Path) -> None:
    for name in ("one/kettle/a.wav", "two/door/b.wav"):
        written(tmp_path / name, "")
    assert [r.labels for r in read_all([tmp_path / "two", tmp_path / "one"])] == [("door",), ("kettle",)]


@pytest.mark.parametrize("fold", ["x", "0", "-1", "256", "1.5"])
def test_a_fold_that_is_none_is_refused_with_its_line(fold: str, tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", f"path,dataset,label,fold\na.ogg,x,rain,3\nb.ogg,x,rain,{fold}\n")
    assert refused(tmp_path) == ("listing-fold", f"{tmp_path}/metadata.csv, line 3: fold '{fold}'")


@pytest.mark.parametrize(
    ("line", "empty"), [("a.ogg,x", "label, fold"), ("a.ogg,x,rain,", "fold"), (",x,rain,1", "path")]
)
def test_a_line_that_lacks_something_is_refused(line: str, empty: str, tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", f"path,dataset,label,fold\n{line}\n")
    assert refused(tmp_path) == ("listing-empty", f"{tmp_path}/metadata.csv, line 2: no {empty}")


def test_a_listing_is_read_as_spreadsheets_save_it(tmp_path: Path) -> None:
    listing = "path,dataset,label,fold\nmüller.ogg,x,rain,1\n"
    (tmp_path / "metadata.csv").write_text(listing, encoding="utf-8-sig")
    (recording,) = read_any(tmp_path)
    assert recording.path == tmp_path / "müller.ogg"
    (tmp_path / "metadata.csv").write_text(listing, encoding="latin-1")
    assert refused(tmp_path)[0] == "listing-encoding"


@pytest.mark.parametrize("name", ["a.wav", "all/kettle/a.wav"])
def test_sounds_at_another_depth_are_found_and_their_place_is_named(name: str, tmp_path: Path) -> None:
    written(tmp_path / "flat" / name, "")
    code, message = refused(tmp_path / "flat")
    assert code == "data-layout"
    assert "1 audio file" in message


def test_every_ending_that_is_read_is_one_that_libsndfile_knows() -> None:
    named = {".oga": "OGG", ".opus": "OGG", ".aif": "AIFF", ".aifc": "AIFF", ".snd": "AU"}
    assert {named.get(ending, ending[1:].upper()) for ending in AUDIO} <= set(soundfile.available_formats())


def test_files_that_are_not_audio_are_counted_by_their_suffixes(tmp_path: Path) -> None:
    for name in ("kettle/a.caf", "kettle/b.m4a", "kettle/c.M4A", "d.wav", ".DS_Store"):
        written(tmp_path / "awk" / name, "")
    assert ".m4a 2, .wav 1" in passed_over(tmp_path / "awk")
    (tmp_path / "awk" / "metadata.csv").touch()
    assert passed_over(tmp_path / "awk") == ""


def test_the_recordings_of_each_label_are_counted(tmp_path: Path) -> None:
    for name in ("kettle/a.wav", "kettle/b.wav", "other/c.wav"):
        written(tmp_path / name, "")
    used, _, others = counted(read_any(tmp_path), ["kettle"]).partition(";")
    assert used.endswith("kettle 2")
    assert others.endswith("other 1")


def test_a_folder_without_sounds_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path)[0] == "data-missing"


def test_a_listing_without_its_columns_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", "path,label\na.ogg,rain\n")
    assert refused(tmp_path) == ("listing-column", f"{tmp_path}/metadata.csv: no column dataset, fold")
