;; Says that it returns three gigabytes. A result has its case at 0, and a value that is there its case at 8, its place
;; at 12 and its length at 16.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.store (i32.const 8200) (i32.const 1))
    (i32.store (i32.const 8204) (i32.const 1024))
    (i32.store (i32.const 8208) (i32.const 0xc0000000))
    (i32.const 8192)))
