;; Never gets to the call: its start function loops.
(module
  (memory (export "memory") 1)
  (func $forever (loop (br 0)))
  (start $forever)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.const 0)))
