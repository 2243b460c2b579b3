;; Returns four bytes that are not JSON.
(module
  (memory (export "memory") 1)
  (data (i32.const 1024) "\ff{[,")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.store (i32.const 8200) (i32.const 1))
    (i32.store (i32.const 8204) (i32.const 1024))
    (i32.store (i32.const 8208) (i32.const 4))
    (i32.const 8192)))
