;; Writes a megabyte, and loops at the end of a call stack that is nearly as deep as it may be.
(module
  (memory (export "memory") 16)
  (func $deeper (param $left i64) (result i64)
    (if (i64.eqz (local.get $left)) (then (loop (br 0))))
    (i64.add (call $deeper (i64.sub (local.get $left) (i64.const 1))) (local.get $left)))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 1048576))
    (i32.wrap_i64 (call $deeper (i64.const 10800)))))
