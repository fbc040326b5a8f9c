"""How Sphinx builds the book (`make book`): notebooks that have run, the pages of `docs`, and the docstrings.

Nothing is executed. The site needs no network: formulae become MathML, and the search is Sphinx's own.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from docutils.nodes import Element, SkipNode, document
from latex2mathml.converter import convert
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.writers.html5 import HTML5Translator

import fibrolib

project, copyright = "fibrolib", "the fibrolib developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["report.html"]
suppress_warnings = ["misc.highlighting_failure"]  # no lexer for CSV

myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # they would come from a public server; of sliders the picture is shown
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]

autodoc_default_options = {"members": True, "exclude-members": "set_fit_request, set_score_request"}
autodoc_typehints = "none"
default_role = "py:obj"

html_theme = "furo"
html_title = "fibrolib"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_show_sourcelink = html_copy_source = html_show_sphinx = False
html_show_search_summary = False  # reads pages, which browsers forbid from a folder
html_math_renderer = "mathml"


def _write_api(app: Sphinx) -> None:
    """A page for each room, of what its face exports."""
    package = Path(fibrolib.__file__).parent
    (app.srcdir / "api").mkdir()
    for face in sorted(package.glob("*/**/__init__.py")):
        room = ".".join(face.parent.relative_to(package.parent).parts)
        page = f"{room}\n{'=' * len(room)}\n\n.. automodule:: {room}\n"
        (app.srcdir / "api" / f"{room}.rst").write_text(page, "utf-8")


def _unlink_folders(app: Sphinx, page: document) -> None:
    """A link to a folder of the repository becomes plain text; what else leads nowhere is an error."""
    here = (Path(__file__).parents[1] / app.env.current_document.docname).parent
    for link in list(page.findall(pending_xref)):
        if link["reftype"] == "myst" and (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def _write_formula(translator: HTML5Translator, node: Element) -> None:
    translator.body.append(convert(node.astext(), display="block" if node.tagname == "math_block" else "inline"))
    raise SkipNode


def _check_links(app: Sphinx, exception: Exception | None) -> None:
    """Every picture and every link to a file is there, those of raw HTML and of outputs included."""
    if exception is None:
        local = re.compile(r'<[^<>]*\s(?:href|src)="(?![a-z]+:|#)([^"?#]+)')
        pages = [page for page in app.outdir.rglob("*.html") if page.name != "report.html"]
        scripts = re.compile(r"(<script[^>]*>).*?</script>", re.DOTALL)
        shown = {page: scripts.sub(r"\1", page.read_text("utf-8")) for page in pages}
        found = [(page, target) for page, text in shown.items() for target in local.findall(text)]
        missing = {f"{page.name}: {target}" for page, target in found if not (page.parent / unquote(target)).exists()}
        if missing:
            raise SphinxError("Links that lead nowhere: " + "; ".join(sorted(missing)))


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.config.html_extra_path = [str(app.srcdir / "report.html")]
    app.connect("builder-inited", _write_api)
    app.connect("doctree-read", _unlink_folders)
    app.connect("build-finished", _check_links)
    app.add_html_math_renderer("mathml", (_write_formula, None), (_write_formula, None))
