;; A plugin whose spec is no JSON.
(component
  (core module $module
    (memory (export "memory") 1)
    (data (i32.const 8) "name: yaml")
    (data (i32.const 0) "\08\00\00\00\0a\00\00\00")
    (func (export "describe") (result i32) i32.const 0))
  (core instance $instance (instantiate $module))
  (func $describe (result string) (canon lift (core func $instance "describe") (memory (core memory $instance "memory"))))
  (instance $interface (export "describe" (func $describe)))
  (export "portolan:plugin/describe@0.1.0" (instance $interface)))
