"""The pages' own icons: one path each, 24 by 24, drawn with a line."""

from typing import Final

SHAPES: Final = {
    "clear": "M5 12.5l4.6 4.6L19 7.6",
    "confirmed": "M5 12.5l4.6 4.6L19 7.6",
    "blocked": "M12 4.5v9M12 19v.01",
    "objected": "M12 4.5v9M12 19v.01",
    "caution": "M12 4.5v9M12 19v.01",
    "waived": "M5 12h14",
    "waiting": "M5 12v.01M12 12v.01M19 12v.01",
}
"""Of a state: they differ in greyscale too."""
ICONS: Final = {
    "book": "M4 19.5v-14A2.5 2.5 0 0 1 6.5 3H20v18H6A2 2 0 0 1 6 17h14M8.5 7.5h7M8.5 11h7",
    "box": "M3.5 4h17v5h-17zM5 9v11h14V9M10 13h4",
    "bed": "M3 19V6M3 9.5h15a3 3 0 0 1 3 3V19M3 15.5h18M6 9.5V7.5h5v2",
    "coins": "M12 3v18M6 4l6 8 6-8M7 12h10M7 16h10",
    "office": "M4 21V6l8-3 8 3v15M2.5 21h19M9 9h1M14 9h1M9 13h1M14 13h1M10 21v-4h4v4",
    "person": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5a7.5 7.5 0 0 1 15 0",
    "sign-in": "M10 4H5v16h5M13 8l4 4-4 4M17 12H8",
    "look": "M4 4h16v12H4zM8 20h8M12 16v4M8 8h8M8 12h5",
    "do": "M4 6.5l1.5 1.5L8 5M4 13l1.5 1.5L8 11.5M4 19.5L5.5 21 8 18M11.5 6.5H20M11.5 13H20M11.5 19.5H20",
    "send": "M20.5 3.5L3.5 10.5l7 3 3 7zM10.5 13.5l4-4",
    "certificate": "M4 4h16v11H4zM8 8h8M8 11h4M14 13.5v7l2.5-1.7 2.5 1.7v-7",
    "lost": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM15.5 8.5l-2 5-5 2 2-5z",
    "search": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L21 21M8 10.5h5",
    "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v6M12 7.5v.2",
    "lock": "M6 10.5h12V21H6zM8.5 10.5V7.5a3.5 3.5 0 0 1 7 0v3M12 14.5v2.5",
    "cloud": "M7 18h10.5a4 4 0 0 0 .6-7.9A6 6 0 0 0 6.6 9 4.5 4.5 0 0 0 7 18zM10 12l4 4M14 12l-4 4",
    "star": "M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9L12 16.9l-5.2 2.8 1-5.9L3.5 9.7l5.9-.8z",
}
