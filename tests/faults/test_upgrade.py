"""An upgrade without standing still, with real processes: this version as the one before, and a next one made up here.

The next version does what is hardest to do without standing still: it gives a column another name.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import opengiro
from tests.faults.upgrade import NEW, OLD, Outcome, Version, upgrade

pytestmark = pytest.mark.engine("postgres")

EACH = 25
"""Payments between one step and the next."""

MIGRATIONS = {
    "9001_pre_end_to_end_ids.sql": """
ALTER TABLE instructions ADD COLUMN end_to_end_id TEXT, ADD COLUMN saved_by TEXT;
CREATE FUNCTION both_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.saved_by := CASE WHEN NEW.end_to_end_id IS NULL THEN 'old' ELSE 'new' END;
    NEW.end_to_end_id := COALESCE(NEW.end_to_end_id, NEW.reference_id);
    NEW.reference_id := NEW.end_to_end_id;
    RETURN NEW;
END $$;
CREATE TRIGGER both_names BEFORE INSERT ON instructions FOR EACH ROW EXECUTE FUNCTION both_names();
""",
    "9002_pre_end_to_end_ids_of_before.sql": """-- apart
UPDATE instructions SET end_to_end_id = reference_id, saved_by = 'before' WHERE end_to_end_id IS NULL;
""",
    "9003_post_reference_ids.sql": """
DROP TRIGGER both_names ON instructions;
DROP FUNCTION both_names();
DROP TRIGGER instructions_are_fixed ON instructions;
ALTER TABLE instructions DROP COLUMN reference_id;
""",
}


def next_version(folder: Path) -> Version:
    """Copy the code that is installed, and let it call the column by another name wherever SQL does."""
    tree = folder / "src"
    shutil.copytree(Path(opengiro.__file__).parent, tree / "opengiro", ignore=shutil.ignore_patterns("__pycache__"))
    changed = 0
    for pattern, name in (("store/queries/*.sql", r"\breference_id\b"), ("**/*.py", r"\bi\.reference_id\b")):
        for path in (tree / "opengiro").glob(pattern):
            text, times = re.subn(name, lambda found: found[0].replace("reference", "end_to_end"), path.read_text())
            if times:
                path.write_text(text)
                changed += times
    assert changed >= 4, "a reading, a writing and a list"
    for name, text in MIGRATIONS.items():
        (tree / "opengiro/store/migrations" / name).write_text(text)
    return Version(NEW, tree)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What came of it."""
    folder = tmp_path_factory.mktemp("upgrade")
    return upgrade(folder, Version(OLD), next_version(tmp_path_factory.mktemp("next")), EACH)


def test_every_answer_was_the_payment_or_a_request_to_come_again(outcome: Outcome) -> None:
    assert outcome.wrong == []
    assert {status for _, status in outcome.statuses()} <= {200, 201, 503}


def test_the_steps_were_those_of_the_next_version(outcome: Outcome) -> None:
    before, removed, last = *list(MIGRATIONS)[:2], list(MIGRATIONS)[2]
    assert outcome.applied == {"--pre": [before, removed], "--post": [last]}


def test_each_version_read_what_the_other_had_saved(outcome: Outcome) -> None:
    assert set(outcome.readers()) == {(OLD, OLD), (OLD, NEW), (NEW, OLD), (NEW, NEW)}


def test_nothing_acknowledged_was_lost_or_changed(outcome: Outcome) -> None:
    assert outcome.lost == []
    assert len(outcome.paid) >= 7 * EACH


def test_every_event_was_heard_in_its_order(outcome: Outcome) -> None:
    assert outcome.unheard == []


def test_the_version_before_does_not_start_on_what_it_cannot_use(outcome: Outcome) -> None:
    assert outcome.refused == (
        "A later version removed what this one needs (9003_post_reference_ids.sql): run that version.\n"
    )
