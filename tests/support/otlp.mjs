// SPDX-License-Identifier: Apache-2.0
// OTLP profiles by protobufjs, from the protocol's own names: nothing of this was made by what it tests.
//
//     node otlp.mjs encode < request.json > request.pb     64-bit numbers as strings, bytes as base64
//     node otlp.mjs decode < request.pb > request.json
//     node otlp.mjs response < response.pb > response.json
import protobuf from "protobufjs";

// A field that no version of the protocol has: number 999 of every message that this producer sends one in.
const proto = `
syntax = "proto3";
message ExportProfilesServiceRequest { repeated ResourceProfiles resource_profiles = 1; ProfilesDictionary dictionary = 2; string future = 999; }
message ExportProfilesPartialSuccess { int64 rejected_profiles = 1; string error_message = 2; }
message ExportProfilesServiceResponse { ExportProfilesPartialSuccess partial_success = 1; }
message ProfilesDictionary {
  repeated Mapping mapping_table = 1; repeated Location location_table = 2; repeated Function function_table = 3;
  repeated Link link_table = 4; repeated string string_table = 5; repeated KeyValueAndUnit attribute_table = 6;
  repeated Stack stack_table = 7; }
message ResourceProfiles { Resource resource = 1; repeated ScopeProfiles scope_profiles = 2; string schema_url = 3; bytes future = 999; }
message ScopeProfiles { InstrumentationScope scope = 1; repeated Profile profiles = 2; string schema_url = 3; }
message Profile {
  ValueType sample_type = 1; repeated Sample samples = 2; fixed64 time_unix_nano = 3; uint64 duration_nano = 4;
  ValueType period_type = 5; int64 period = 6; bytes profile_id = 7; uint32 dropped_attributes_count = 8;
  string original_payload_format = 9; bytes original_payload = 10; repeated int32 attribute_indices = 11; }
message Link { bytes trace_id = 1; bytes span_id = 2; }
message ValueType { int32 type_strindex = 1; int32 unit_strindex = 2; }
message Sample {
  int32 stack_index = 1; repeated int32 attribute_indices = 2; int32 link_index = 3; repeated int64 values = 4;
  repeated fixed64 timestamps_unix_nano = 5; uint64 future = 999; }
message Mapping {
  uint64 memory_start = 1; uint64 memory_limit = 2; uint64 file_offset = 3; int32 filename_strindex = 4;
  repeated int32 attribute_indices = 5; }
message Stack { repeated int32 location_indices = 1; }
message Location { int32 mapping_index = 1; uint64 address = 2; repeated Line lines = 3; repeated int32 attribute_indices = 4; }
message Line { int32 function_index = 1; int64 line = 2; int64 column = 3; }
message Function { int32 name_strindex = 1; int32 system_name_strindex = 2; int32 filename_strindex = 3; int64 start_line = 4; }
message AnyValue { oneof value {
  string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5;
  KeyValueList kvlist_value = 6; bytes bytes_value = 7; int32 string_value_strindex = 8; } }
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message KeyValue { string key = 1; AnyValue value = 2; int32 key_strindex = 3; }
message KeyValueAndUnit { int32 key_strindex = 1; AnyValue value = 2; int32 unit_strindex = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
`;
const root = protobuf.parse(proto, { keepCase: true }).root;
const request = root.lookupType("ExportProfilesServiceRequest");
const response = root.lookupType("ExportProfilesServiceResponse");

async function input() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const show = (type, bytes) => JSON.stringify(type.toObject(type.decode(bytes), { longs: String, bytes: String, defaults: true }));

const bytes = await input();
switch (process.argv[2]) {
  case "encode": {
    const message = JSON.parse(bytes.toString());
    process.stdout.write(request.encode(request.fromObject(message)).finish());
    break;
  }
  case "decode":
    process.stdout.write(show(request, bytes));
    break;
  case "response":
    process.stdout.write(show(response, bytes));
    break;
  default:
    process.exit(2);
}
