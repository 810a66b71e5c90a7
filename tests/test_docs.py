"""What the documents say is true: what is made from the program is current, examples load, links lead somewhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from listener import config
from listener.base import registry
from listener.pipeline import bundle as bundles
from scripts import make_configuration, make_errors, make_manual

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "models" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def test_the_configuration_page_is_made_from_the_structs() -> None:
    assert make_configuration.PAGE.read_text() == make_configuration.page(), "make docs"


def test_the_manual_page_is_made_from_the_help() -> None:
    assert make_manual.PAGE.read_text() == make_manual.page(), "make docs"


def test_the_page_of_errors_is_made_from_the_source() -> None:
    assert make_errors.PAGE.read_text() == make_errors.page(), "make docs"


@pytest.mark.parametrize("kind", registry.SOURCES)
def test_every_source_has_an_example_that_loads(kind: str) -> None:
    table = tomllib.loads(make_configuration.EXAMPLES[f"source {kind}"])
    assert config.part("source", table).kind == kind


@pytest.mark.parametrize("kind", registry.SINKS)
def test_every_sink_has_an_example_that_loads(kind: str) -> None:
    table = tomllib.loads(make_configuration.EXAMPLES[f"sink {kind}"])
    assert config.part("sink", table).kind == kind


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_to_a_file_of_ours_leads_to_one(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_toml_example_of_a_page_loads(page: Path, tmp_path: Path) -> None:
    for number, example in enumerate(toml_examples(page)):
        path = tmp_path / f"{number}.toml"
        path.write_text(example)
        config.load(path)


@pytest.mark.parametrize("name", ["default", "city"])
def test_an_example_that_sets_a_threshold_makes_the_label_surer(name: str) -> None:
    rules = bundles.load(bundles.find(name)).rules
    examples = [tomllib.loads(example) for page in PAGES for example in toml_examples(page)]
    sections = [item for example in examples for item in example.get("labels", {}).items() if "on" in item[1]]
    assert sections
    assert [label for label, section in sections if label in rules and section["on"] <= rules[label].on] == []


def toml_examples(page: Path) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_site_leads_to_every_page() -> None:
    site = (ROOT / "mkdocs.yml").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in sorted(pages) if f" {page}\n" not in site] == []


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "api" / "index.html").read_text().count("doc doc-object") > 5
