"""A word that is read from across the room: five lines of blocks."""

from __future__ import annotations

ROWS = 5
_BETWEEN = 2  # columns

_SHAPES = """
A .###. #...# ##### #...# #...#
B ####. #...# ####. #...# ####.
C .#### #.... #.... #.... .####
D ####. #...# #...# #...# ####.
E ##### #.... ####. #.... #####
F ##### #.... ####. #.... #....
G .#### #.... #..## #...# .####
H #...# #...# ##### #...# #...#
I ### .#. .#. .#. ###
J ..### ...#. ...#. #..#. .##..
K #..#. #.#.. ##... #.#.. #..#.
L #.... #.... #.... #.... #####
M #...# ##.## #.#.# #...# #...#
N #...# ##..# #.#.# #..## #...#
O .###. #...# #...# #...# .###.
P ####. #...# ####. #.... #....
Q .###. #...# #.#.# #..#. .##.#
R ####. #...# ####. #..#. #...#
S .#### #.... .###. ....# ####.
T ##### ..#.. ..#.. ..#.. ..#..
U #...# #...# #...# #...# .###.
V #...# #...# #...# .#.#. ..#..
W #...# #...# #.#.# ##.## #...#
X #...# .#.#. ..#.. .#.#. #...#
Y #...# .#.#. ..#.. ..#.. ..#..
Z ##### ...#. ..#.. .#... #####
0 .###. #..## #.#.# ##..# .###.
1 .#. ##. .#. .#. ###
2 ####. ....# .###. #.... #####
3 ####. ....# .###. ....# ####.
4 #..#. #..#. ##### ...#. ...#.
5 ##### #.... ####. ....# ####.
6 .###. #.... ####. #...# .###.
7 ##### ...#. ..#.. .#... .#...
8 .###. #...# .###. #...# .###.
9 .###. #...# .#### ....# .###.
- .... .... #### .... ....
"""
_LETTERS = {row[0]: row.split()[1:] for row in _SHAPES.strip().splitlines()} | {" ": ["..."] * ROWS}


def big(word: str, columns: int) -> list[str]:
    """Return the word in `ROWS` lines of blocks; in one where it has other characters, or is too wide."""
    shown = word.replace("_", " ").upper()
    if not shown.strip() or any(letter not in _LETTERS for letter in shown):
        return [shown]
    gap = "." * _BETWEEN
    rows = [gap.join(_LETTERS[letter][row] for letter in shown) for row in range(ROWS)]
    if len(rows[0]) > columns:
        return [shown]
    wide = 2 if 2 * len(rows[0]) <= columns else 1  # characters are twice as high as they are wide
    return [row.replace(".", " " * wide).replace("#", "█" * wide) for row in rows]
