"""The wheel, the exported names, and what the project says about itself."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
import typing
import zipfile
from pathlib import Path

import pytest

import lingua2
from lingua2.model_options import ModelOptions
from lingua2.options import CompressionOptions, OptionOverrides

PACKAGES = ("lingua2", "langchain_lingua2", "llamaindex_lingua2")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, root],
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_holds_exactly_three_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_model_vocabularies_types_and_licence(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for file in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        assert f"lingua2/models/default/{file}" in names
    assert {"lingua2/encodings/cl100k_base.xz", "lingua2/encodings/o200k_base.xz"} <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {f"lingua2/distill/instructions/{x}.txt" for x in ("compress", "core")} <= names
    assert any(name.endswith("LICENSE") for name in names)


def test_the_wheel_works_without_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import lingua2;"
        f"assert lingua2.__file__.startswith({str(tmp_path)!r}), lingua2.__file__;"
        "r = lingua2.Compressor().compress(['The board met on Monday to vote.'], target_token=4);"
        "assert 0 < r.compressed_tokens <= 4"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize("package", PACKAGES)
def test_exported_names_exist_and_are_sorted(package: str) -> None:
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{package}.{name} has no docstring"


def test_every_module_lists_its_names(root: Path) -> None:
    for package in ("shared/lingua2", "langchain_lingua2", "llamaindex_lingua2"):
        for path in (root / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            if path.name == "__main__.py":
                continue
            names = {
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            assert "__all__" in names, path


def test_keyword_arguments_and_options_agree() -> None:
    assert set(OptionOverrides.__annotations__) == set(CompressionOptions.model_fields)
    hints = typing.get_type_hints(OptionOverrides)
    assert hints["allocation"] == CompressionOptions.model_fields["allocation"].annotation


def test_the_readme_lists_every_option_with_its_default(root: Path) -> None:
    readme = (root / "README.md").read_text()
    for model in (CompressionOptions, ModelOptions):
        for name, field in model.model_fields.items():
            row = re.search(rf"^\| `{name}` \| (.*?) \|", readme, re.MULTILINE)
            assert row, f"README.md has no row for {name}"
            assert row[1].strip("`") == repr(field.default).replace("'", '"'), name


def test_the_changelog_knows_the_version(root: Path) -> None:
    assert f"## {lingua2.__version__}" in (root / "CHANGELOG.md").read_text()


def test_every_extra_that_the_code_names_exists(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for package in ("shared/lingua2", "langchain_lingua2", "llamaindex_lingua2"):
        for path in (root / package).rglob("*.py"):
            for extra in re.findall(
                r"lingua2\[(\w+)\]|require\(\s*\"[\w.]+\", \"(\w+)\"", path.read_text()
            ):
                assert "".join(extra) in extras, (path, extra)
