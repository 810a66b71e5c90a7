"""Recordings are found in each of the layouts that people have them in."""

from pathlib import Path

import pytest

from models.data import DataError, read_any, read_esc50, without_fold


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_metadata_csv_is_read(tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", "path,dataset,label,fold,licence\na/b.ogg,esc10,dog_bark,3,CC0\n")
    (recording,) = read_any(tmp_path)
    assert recording.path == tmp_path / "a" / "b.ogg"
    assert (recording.labels, recording.fold, recording.dataset) == (("dog_bark",), 3, "esc10")


def test_esc50_as_published_gives_its_ten_under_our_names(tmp_path: Path) -> None:
    heading = "filename,fold,target,category,esc10,src_file,take\n"
    rows = f"{heading}1-1-A-0.wav,1,0,dog,True,1,A\n2-1-A-5.wav,2,5,cat,False,1,A\n"
    written(tmp_path / "meta" / "esc50.csv", rows)
    (dog,) = read_any(tmp_path)
    assert (dog.labels, dog.dataset, dog.path) == (("dog_bark",), "esc10", tmp_path / "audio" / "1-1-A-0.wav")
    assert [recording.labels[0] for recording in read_esc50(tmp_path, only_esc10=False)] == ["dog_bark", "cat"]


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


def test_a_left_out_fold_is_left_out_of_every_data_set(tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", "path,dataset,label,fold\na.ogg,x,dog_bark,3\nb.ogg,y,rain,1\n")
    assert [recording.fold for recording in without_fold(read_any(tmp_path), 3)] == [1]
    assert len(without_fold(read_any(tmp_path), None)) == 2


def test_a_folder_without_sounds_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a metadata\.csv"):
        read_any(tmp_path)


def test_a_listing_without_its_columns_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "metadata.csv", "path,label\na.ogg,rain\n")
    with pytest.raises(DataError, match="no column dataset, fold"):
        read_any(tmp_path)
