"""The viewer in a real JupyterLab, in a headless browser; skipped where there is no playwright or no Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
import torch
from conftest import make_patients

from fibrolib.learning import NetClassifier

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    # The browser's driver leaves its pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
TOKEN = "for-this-test-only"
CELL = """
from fibrolib.learning import NetClassifier
from fibrolib.experiments import Viewer
from fibrolib.video import load_clip

clips = {"patient A": load_clip("clip-0-0.npz"), "patient B": load_clip("clip-0-2.npz")}
Viewer(NetClassifier.load("net.safetensors"), clips, ["integrated gradients", "occlusion"])
"""


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab whose only notebook shows the viewer."""
    patients = make_patients(tmp_path, 6, side=32)
    net = NetClassifier("motion_resnet3d", {"width": 4}, clip_length=8, epochs=1, cutoff=1, n_threads=1)
    net.fit(patients, patients["stage"])
    torch.manual_seed(0)
    torch.nn.init.normal_(net.module_.head.severity.weight)
    net.save(tmp_path / "net.safetensors")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "viewer.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += [f"--ServerApp.root_dir={tmp_path}", f"--IdentityProvider.token={TOKEN}"]
    home = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **home}, stdout=log, stderr=log, cwd=tmp_path)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}")
        yield f"http://127.0.0.1:{port}/lab/tree/viewer.ipynb?token={TOKEN}&reset"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(address, seconds=60):
    last = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < last, "JupyterLab did not start"
            time.sleep(0.5)


def test_choosing_a_method_and_a_frame_changes_the_picture(lab, tmp_path):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 760})
        page.goto(lab)
        page.get_by_text("(ipykernel) | Idle").wait_for(timeout=60_000)  # a cell run before that is lost
        page.locator(".jp-Notebook .jp-CodeCell").first.click()
        page.keyboard.press("Control+Enter")
        picture = page.locator(".jp-OutputArea img.widget-image")
        picture.wait_for(timeout=90_000)
        sources = [picture.get_attribute("src")]

        def changed():
            page.wait_for_function(
                "before => document.querySelector('.jp-OutputArea img.widget-image').src !== before", arg=sources[-1]
            )
            sources.append(picture.get_attribute("src"))

        page.locator(".widget-dropdown select").nth(1).select_option("occlusion")
        changed()
        assert "occlusion" in page.locator(".widget-html-content").inner_text()
        page.locator(".widget-dropdown select").nth(0).select_option("patient B")
        changed()
        slider = page.locator(".widget-hslider .noUi-handle")
        slider.nth(1).press("ArrowRight")
        changed()
        slider.nth(0).press("ArrowLeft")
        changed()
        page.screenshot(path=os.environ.get("VIEWER_SCREENSHOT", tmp_path / "viewer.png"))
        assert len(set(sources)) == 5
        browser.close()
