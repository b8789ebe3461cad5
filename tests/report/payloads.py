"""Texts that would do harm if any output took them for more than text."""

from demo_run import Names

# What a model, a dataset or an error message may be called by someone who means harm.
PAYLOADS = (
    "</script><script>document.title='PWNED'</script>",
    "</style><img src=x onerror=document.title='PWNED'>",
    "\"><svg onload=document.title='PWNED'>",
    "'; document.title='PWNED'; //{{ 7*7 }}{% raw %}",
    "<iframe src=javascript:document.title='PWNED'></iframe>",
    "<!--<script>--><a href=javascript:alert(1)>x</a>",
    "=HYPERLINK(1)|cmd\t\u202edeggif\x1b[31m",
)


def hostile_names() -> Names:
    """Names that carry every payload, each in another field."""
    p = PAYLOADS
    return Names(
        models=(f"m0 {p[0]}", f"m1 {p[1]}", f"m2 {p[2]}"),
        dataset=f"d {p[1]} {p[3]}",
        classes=(f"c0 {p[2]}", f"c1 {p[0]} {p[5]}"),
        sample="s{:03d} " + p[0].replace("{", "") + p[4],
        subgroup="g {} " + p[4],
        reason=f"r {p[0]} {p[6]}",
        error=f"e {p[1]} {p[5]}",
        traceback=f"t {p[0]}\n{p[2]}",
        problem=f"w {p[3]} {p[0]}",
        note=f"n {p[4]} {p[0]}",
        citation=f"q {p[5]} {p[1]}",
    )
