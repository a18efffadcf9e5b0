"""Prints the BEP 52 pieces root and piece layer of each file named, as libtorrent computes them.

Arguments: pairs of piece size and path. Output: one line each, the root and the layer (or "-", which a file of at most
one piece has) in hex.
"""

import os
import sys

import libtorrent

for piece_size, path in zip(sys.argv[1::2], sys.argv[2::2]):
    files = libtorrent.file_storage()
    files.add_file(os.path.basename(path), os.path.getsize(path))
    torrent = libtorrent.create_torrent(files, int(piece_size), libtorrent.create_torrent.v2_only)
    libtorrent.set_piece_hashes(torrent, os.path.dirname(path))
    made = torrent.generate()
    [node] = made[b"info"][b"file tree"].values()
    root = node[b""][b"pieces root"]
    layer = made[b"piece layers"].get(root, b"")
    print(root.hex(), layer.hex() or "-")
