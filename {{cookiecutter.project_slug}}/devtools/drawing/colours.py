"""Colours of charts and pages: one palette, light and dark. CSS classes assign its colours to data series."""

from collections.abc import Mapping

PALETTE: Mapping[str, tuple[str, str]] = {
    "text": ("#1f2933", "#f5f7fa"),
    "weak": ("#52606d", "#9aa5b1"),
    "back": ("#ffffff", "#14181d"),
    "rule": ("#cbd2d9", "#3e4c59"),
    "alert": ("#b42318", "#ff8a80"),
    "blue": ("#2a7f9e", "#3a9dc0"),
    "orange": ("#d1654a", "#d9694d"),
    "violet": ("#8e6bbf", "#a98bd6"),
    "green": ("#3f8f5b", "#62b37f"),
    "gold": ("#9a7800", "#d6b13c"),
    "silver": ("#84909d", "#6b7785"),
    "grey": ("#52606d", "#9aa5b1"),
    "ok": ("#186994", "#3283f5"),
    "rejected": ("#24a295", "#aec4be"),
    "shed": ("#c17200", "#e69c00"),
    "late": ("#9c5cf4", "#93538e"),
    "error": ("#983b25", "#d43b1a"),
}
"""The colour of each name on a light page and on a dark page; a dark page needs other colours for the same contrast.

The last five are for outcomes of requests (`outcomes.py`). They were chosen so that, with the colour of the text as the
sixth, readers with each kind of colour blindness can tell them apart on both pages.
"""


def variables() -> str:
    """Return the palette as CSS variables: light colours, and dark colours for browsers that prefer dark pages."""
    light, dark = ("; ".join(f"--{name}: {shades[place]}" for name, shades in PALETTE.items()) for place in range(2))
    return "\n".join(
        [
            ":root { color-scheme: light dark; " + light + " }",
            "@media (prefers-color-scheme: dark) { :root { " + dark + " } }\n",
        ]
    )


def series_style(colours: Mapping[str, str]) -> str:
    """Return the CSS that gives each data series, named by its CSS class, a colour of the palette.

    Raises:
        KeyError: a colour is not in the palette.
    """
    for colour in colours.values():
        PALETTE[colour]  # raises for a misspelt colour; CSS would silently use the default colour
    return "".join(f".{name} " + "{ --series: " + f"var(--{colour})" + " }\n" for name, colour in colours.items())
