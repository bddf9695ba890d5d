"""Folders and archives give the same files; bad archives are refused."""

import tarfile

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import file_trees
from tests.data.pictures import picture_files

FILES = {"b/y.txt": b"two", "a/x.txt": b"one", "a/.hidden": b"no", "z": b""}


def test_a_folder_and_an_archive_of_it_are_alike(tmp_path):
  folder = picture_files.write_folder(tmp_path / "files", FILES)
  archive = picture_files.write_tar(tmp_path / "files.tar", FILES)
  for tree in (file_trees.open_tree(folder), file_trees.open_tree(archive)):
    assert list(tree.sizes.items()) == [
      ("a/x.txt", 3),
      ("b/y.txt", 3),
      ("z", 0),
    ]
    assert [tree.read(name) for name in tree.sizes] == [b"one", b"two", b""]


def test_two_links_to_one_folder_are_two_folders(tmp_path):
  picture_files.write_folder(tmp_path / "real", {"x": b"1"})
  (tmp_path / "files").mkdir()
  for name in ("a", "b"):
    (tmp_path / "files" / name).symlink_to(tmp_path / "real")
  tree = file_trees.open_tree(str(tmp_path / "files"))
  assert list(tree.sizes) == ["a/x", "b/x"]


def test_a_link_that_leads_back_is_not_followed(tmp_path):
  picture_files.write_folder(tmp_path / "files", FILES)
  (tmp_path / "files" / "loop").symlink_to(tmp_path / "files")
  (tmp_path / "files" / "c.txt").symlink_to(tmp_path / "files" / "b" / "y.txt")
  tree = file_trees.open_tree(str(tmp_path / "files"))
  assert list(tree.sizes) == ["a/x.txt", "b/y.txt", "c.txt", "z"]
  (tmp_path / "files" / "gone").symlink_to(tmp_path / "nothing")
  with pytest.raises(errors.InputError, match="gone: cannot be read"):
    file_trees.open_tree(str(tmp_path / "files"))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "a\\x"])
def test_a_path_that_leads_out_is_refused(tmp_path, name):
  path = picture_files.write_tar(tmp_path / "a.tar", {"ok": b"", name: b"x"})
  with pytest.raises(errors.InputError, match="which leads out of it"):
    file_trees.open_tree(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_is_refused(tmp_path, kind):
  with tarfile.open(tmp_path / "a.tar", "w") as archive:
    member = tarfile.TarInfo("x")
    member.type, member.linkname = kind, "/etc/passwd"
    archive.addfile(member)
  with pytest.raises(errors.InputError, match="'x' is a link or a device"):
    file_trees.open_tree(str(tmp_path / "a.tar"))


def test_damaged_and_compressed_archives_are_refused(tmp_path):
  content = {"x": b"1" * 2000}
  path = picture_files.write_tar(tmp_path / "a.tar.gz", content, "w:gz")
  with pytest.raises(errors.InputError, match="without compression"):
    file_trees.open_tree(path)
  (tmp_path / "b.tar").write_bytes(b"no archive" * 100)
  with pytest.raises(errors.InputError, match=r"b\.tar: cannot be read as"):
    file_trees.open_tree(str(tmp_path / "b.tar"))
  whole = picture_files.write_tar(tmp_path / "c.tar", content)
  tree = file_trees.open_tree(whole)
  (tmp_path / "c.tar").write_bytes((tmp_path / "c.tar").read_bytes()[:1000])
  with pytest.raises(errors.InputError, match=r"c\.tar: ends within x"):
    tree.read("x")
  with pytest.raises(errors.InputError, match=r"d: is no folder and no tar"):
    file_trees.open_tree(str(tmp_path / "d"))
  (tmp_path / "c.tar").unlink()
  with pytest.raises(errors.InputError, match="cannot be read"):
    tree.read("x")


def test_a_file_twice_in_an_archive_is_refused(tmp_path):
  with tarfile.open(tmp_path / "a.tar", "w") as archive:
    for name in ("x", "./x"):
      archive.addfile(tarfile.TarInfo(name))
  with pytest.raises(errors.InputError, match=r"has '\./x' twice"):
    file_trees.open_tree(str(tmp_path / "a.tar"))


def test_a_huge_file_is_not_read(tmp_path):
  path = tmp_path / "files" / "x"
  path.parent.mkdir()
  with path.open("wb") as stream:
    stream.truncate(file_trees.MAX_FILE_BYTES + 1)
  tree = file_trees.open_tree(str(path.parent))
  with pytest.raises(errors.InputError, match="has 268,435,457 bytes; at most"):
    tree.read("x")
