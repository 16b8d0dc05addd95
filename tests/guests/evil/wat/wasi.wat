;; A plugin whose language needs WASI to start: it reads the clock, asks for a random number and prints, and traps where time stands
;; still or chance has run out.
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $stream (sub resource)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result))))))
  (alias export $streams "output-stream" (type $stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $stream (type $outer))
    (export "output-stream" (type $stream (eq $outer)))
    (export "get-stdout" (func (result (own $stream))))))
  (core module $data
    (memory (export "memory") 1)
    (data (i32.const 0) "\40\00\00\00\51\00\00\00")
    (data (i32.const 64) "{\22name\22:\22wasi\22,\22version\22:\221.0.0\22,\22claims\22:[{\22type\22:\22application/vnd.test.wasi\22}]}")
    (data (i32.const 1024) "hello\0a"))
  (core instance $data (instantiate $data))
  (core func $now (canon lower (func $clock "now")))
  (core func $random (canon lower (func $random "get-random-u64")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush") (memory (core memory $data "memory"))))
  (core module $module
    (import "wasi" "now" (func $now (result i64)))
    (import "wasi" "random" (func $random (result i64)))
    (import "wasi" "stdout" (func $stdout (result i32)))
    (import "wasi" "write" (func $write (param i32 i32 i32) (result i32)))
    (func (export "describe") (result i32)
      (local $first i64)
      (local.set $first (call $now))
      (if (i64.eqz (local.get $first)) (then unreachable))
      (if (i64.le_u (call $now) (local.get $first)) (then unreachable))
      (if (i64.eqz (call $random)) (then unreachable))
      (drop (call $write (call $stdout) (i32.const 1024) (i32.const 6)))
      (i32.const 0)))
  (core instance $instance (instantiate $module (with "wasi" (instance
    (export "now" (func $now))
    (export "random" (func $random))
    (export "stdout" (func $get-stdout))
    (export "write" (func $write))))))
  (func $describe (result string) (canon lift (core func $instance "describe") (memory (core memory $data "memory"))))
  (instance $interface (export "describe" (func $describe)))
  (export "portolan:plugin/describe@0.1.0" (instance $interface)))
