"""The digest of the source: equal for equal rooms, another for others, and never of a room that is not there."""

import pytest

from fibrolib.provenance import PACKAGE, rooms, source_digest


def test_rooms_are_the_files_and_folders_of_the_package():
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms() == entries


def test_digest_depends_on_the_rooms_and_not_on_their_order():
    assert source_digest(["nets", "learning"]) == source_digest(["learning", "nets"])
    assert source_digest(["nets"]) != source_digest(["nets", "learning"])


def test_unknown_room_is_refused():
    with pytest.raises(ValueError, match="nest"):
        source_digest(["nest"])
