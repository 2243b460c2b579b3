module bench

go 1.25

require gristmill v0.1.0

replace gristmill => ../../../../sdk/go
