;; Spends its time in single instructions that each write all of its memory.
(module
  (memory (export "memory") 200)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (loop
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 13107200))
      (br 0))
    (unreachable)))
