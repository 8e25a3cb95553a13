"""Drawing kit of the reports: charts, tables, colours, titles, and HTML pages that need no other file.

The modules import each other by relative names, because the template's own programs import this folder as `drawing`.
"""
