module gristmill

go 1.25
