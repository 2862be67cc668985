"""A file that is made of a recording: as a whole or not at all, and in the place of nothing."""

from pathlib import Path

import pytest

from riglog.errors import StorageError
from riglog.recordings.new_files import new_file, publish_file


def test_a_file_appears_when_it_is_complete_and_its_folder_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "new.sqlite"
    with new_file(target) as made:
        made.write_text("rows")
        (made.parent / "scratch").write_text("of no use afterwards")
        assert not target.exists()
        publish_file(made, target)
    assert target.read_text() == "rows"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_left_of_a_file_that_could_not_be_made(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="write failed: No space left on device"), new_file(tmp_path / "n") as made:
        made.write_text("half of the rows")
        fail()
    assert not list(tmp_path.iterdir())


def test_a_block_that_publishes_nothing_leaves_nothing(tmp_path: Path) -> None:
    with new_file(tmp_path / "n") as made:
        made.write_text("the same as before")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_there_already_is_kept(tmp_path: Path, is_link: bool) -> None:
    target = tmp_path / "there"
    if is_link:
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.write_text("of somebody")
    with pytest.raises(StorageError, match="file exists") as raised, new_file(target, option="--write"):
        pytest.fail("the block does not run")
    assert raised.value.hint == "Give --write a new name: nothing is replaced"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "new.sqlite"
    with pytest.raises(StorageError, match="file exists"), new_file(target) as made:
        made.write_text("rows")
        target.write_text("of somebody")
        publish_file(made, target)
    assert target.read_text() == "of somebody"
    assert list(tmp_path.iterdir()) == [target]
