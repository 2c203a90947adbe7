// Package stdout writes messages as lines of JSON, for a pipe or a file.
//
// A message is one line:
//
//	{"id":"17","seq":42,"client":"phone-7","op":"report","code":0,"sent_at":"2024-05-07T03:33:20.000000Z",
//	 "received_at":"2024-05-07T03:33:20.104233Z","remote":"10.0.0.1:5123","sender":"","data":{"conn_ip":"10.0.0.1"}}
//
// (without the break). The id is a string always, whatever the client wrote: 17
// and "17" are one stream. seq is a number of up to 63 bits: a reader that takes
// numbers for floating-point ones will not see its last digits. Times are UTC,
// with microseconds; a message without a time gets that of its receipt; a time
// before the year 1000 or after 9999 becomes the nearest one inside. data stands
// there byte for byte as it was sent; only line ends in it, which are white
// space, are left out, together with the other white space around them. Data
// that is no JSON, which no transport of this module lets through, is written as
// a string, and no data as null. What is not valid UTF-8 is refused.
//
// When a stream ends, a line says so, with the code and the data of the Done
// where there was one:
//
//	{"id":"17","status":"done","end_reason":"op","ended_at":"…","end_code":0,"end_data":null}
//	{"id":"17","status":"done","end_reason":"disconnect","ended_at":"…"}
//
// # What it cannot do
//
// It remembers nothing. So a message that is sent or tried again is written
// again, nothing is ever in conflict, and how many messages a stream has and
// what was stored last is unknown: -1 in [engine.Result]. Write returns once the
// operating system has the lines; whether a power cut loses them is up to who
// reads them. A line is never torn: where only a part of one could be written,
// the next Write begins with the rest of it.
package stdout
