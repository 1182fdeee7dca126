package wire

import "testing"

func BenchmarkEncodeBundleMod(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EncodeBundleMod(everything, 1, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeFlows(b *testing.B) {
	var body []byte
	golden(b, func(name string, m []byte) {
		if name == "testdata/flow-stats" {
			body = m[headerLen+8:]
		}
	})
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := DecodeFlows(body); err != nil {
			b.Fatal(err)
		}
	}
}
