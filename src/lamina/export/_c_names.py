"""Names of networks and values as C identifiers, injectively: two names never become one symbol.

Letters, digits and underscores stay. Any other character c becomes `_xHH` (its code in hexadecimal), and an underscore
that an `x` follows becomes `_x5f`, so that `_x` always opens an escape. A leading underscore or digit, which C reserves
or refuses, is announced by `v_x00` and `v_x01`, codes that no character has.

    conv1.weight -> conv1_x2eweight      max_x -> max_x5fx      3d -> v_x013d
"""


def identifier(name: str) -> str:
    """`name` (letters, digits and _ . / -) as the tail or head of a C symbol."""
    text = "".join(
        f"_x{ord(c):02x}" if not (c.isalnum() or c == "_") or (c == "_" and name[i + 1 : i + 2] == "x") else c
        for i, c in enumerate(name)
    )
    if name[:1].isdigit():
        return f"v_x01{text}"
    if name[:1] == "_":
        return f"v_x00{text}"
    return text
