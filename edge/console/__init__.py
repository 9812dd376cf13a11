"""The console: static files that the admin listener serves. The page they make uses nothing but the admin API.

files.py  the files, with what a browser must be told of each
static/   index.html, style.css, ES modules, one dictionary for each language, uPlot (vendored, MIT)
"""
