"""Similar questions: may the answer to one question answer another? Off unless a rule says so. docs/similar.md

    asked.py        a request as its question, and the key of its group
      place.py      where in a request the question stands
      normal.py     one form for spellings that mean the same (phrases.py: politeness)
      guards.py     numbers, dates, ids, negation, question, verbs, things, names (vocabulary.py, numerals.py)
    group.py        questions in which the guards read the same: the only ones that can answer each other
      vectors.py    embeddings as bytes, how near they are; the one that needs no model
    calibration.py  precision and recall per threshold, and when not to recommend any
      logs.py       an operator's own questions as trials
    reports.py      who was answered with what, until it is reported as wrong

All pure. Embedders and the shell are in `cache/aio/similar.py` and `cache/aio/embedder.py`.
"""
