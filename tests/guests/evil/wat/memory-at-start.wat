;; A plugin that takes a gigabyte of memory before anything is called.
(component
  (core module $module
    (memory (export "memory") 16384)
    (func (export "describe") (result i32) unreachable))
  (core instance $instance (instantiate $module))
  (func $describe (result string) (canon lift (core func $instance "describe") (memory (core memory $instance "memory"))))
  (instance $interface (export "describe" (func $describe)))
  (export "portolan:plugin/describe@0.1.0" (instance $interface)))
