// Package api describes the service by hand: its messages are protobuf's own
// wrapper types, so nothing is generated and no protoc is needed.
package api

import (
	"google.golang.org/grpc"
)

// Service is the name on the wire.
const Service = "testbed.Truth"

// Path is a method's route.
func Path(method string) string { return "/" + Service + "/" + method }

// Streams are the methods that are no unary calls.
var Streams = map[string]*grpc.StreamDesc{
	"Download": {StreamName: "Download", ServerStreams: true},
	"Breaking": {StreamName: "Breaking", ServerStreams: true},
	"Endless":  {StreamName: "Endless", ServerStreams: true},
	"Upload":   {StreamName: "Upload", ClientStreams: true},
	"Impolite": {StreamName: "Impolite", ClientStreams: true},
	"Chat":     {StreamName: "Chat", ServerStreams: true, ClientStreams: true},
	"Duplex":   {StreamName: "Duplex", ServerStreams: true, ClientStreams: true},
}

// Pieces is the number of messages of each stream.
const Pieces = 6

// LargeBody is the size of Large's request and answer.
const LargeBody = 1 << 20
