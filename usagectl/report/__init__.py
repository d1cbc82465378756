"""Reports: dated evidence of what the tools here send, for people who must sign off.

`document` collects one as data; `page`, `markdown` and `junit` write that down for a browser, a CI
summary and a CI service; `sums` and `signing` show later that nothing was changed.
"""
