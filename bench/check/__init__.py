"""`bench check`: numbered rules for what teams and maintainers hand in, findings, waivers, and reports on them.

`rules.py` is the table of rules, whose entries stand in `rules_submissions.py` and `rules_records.py`; each other
module looks at one kind of thing and yields findings under their ids.
Looking never executes what is looked at: only the dry run does, which `--no-run` leaves out.
"""
