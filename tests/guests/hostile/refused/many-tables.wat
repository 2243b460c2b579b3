;; Begins with more tables than there are for one handler.
(module
  (memory (export "memory") 1)
  (table 20000 funcref)
  (table 20000 funcref)
  (table 20000 funcref)
  (table 20000 funcref)
  (table 20000 funcref)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 0)))
