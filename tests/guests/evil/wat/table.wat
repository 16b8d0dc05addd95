;; A plugin that has its table grow until the host has had enough, and traps then.
(component
  (core module $module
    (memory (export "memory") 1)
    (table $table 1 funcref)
    (func (export "describe") (result i32)
      (loop $more
        (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000000)) (i32.const -1))))
      unreachable))
  (core instance $instance (instantiate $module))
  (func $describe (result string) (canon lift (core func $instance "describe") (memory (core memory $instance "memory"))))
  (instance $interface (export "describe" (func $describe)))
  (export "portolan:plugin/describe@0.1.0" (instance $interface)))
