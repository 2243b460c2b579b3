;; Takes memory page by page, writes to each, asks on when it is refused, and aborts.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "gristmill:job/handler@0.1.0#run")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (local $page i32) (local $asked i32)
    (loop $take
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then
          (i32.store8 (i32.shl (local.get $page) (i32.const 16)) (i32.const 1))
          (br $take))))
    (loop $ask
      (drop (memory.grow (i32.const 1000)))
      (br_if $ask
        (i32.lt_u
          (local.tee $asked (i32.add (local.get $asked) (i32.const 1)))
          (i32.const 100000))))
    (unreachable)))
