"""`pmtiles`, the program of the format's makers: it checks what is said of an archive against itself."""

from __future__ import annotations

from deploy.local.go_program import GoProgram

PROGRAM = GoProgram(
    "pmtiles",
    "github.com/protomaps/go-pmtiles",
    "v1.31.2",
    built_as="go-pmtiles",
    go=(1, 25),
)
