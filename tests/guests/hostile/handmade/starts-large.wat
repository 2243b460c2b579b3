;; Begins with 15 MiB of memory, and with as large a table as there is, and writes to the memory's end.
(module
  (memory (export "memory") 240)
  (table 20000 funcref)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 15663104))
    (i32.const 0)))
