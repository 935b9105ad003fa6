"""Reads messages, methods with their HTTP paths, and comments from the proto files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

# Field numbers in descriptor.proto. The location of a comment is a path of them.
_MESSAGES: Final = FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER
_ENUMS: Final = FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER
_SERVICES: Final = FileDescriptorProto.SERVICE_FIELD_NUMBER
# The same number for fields of a message, values of an enum and methods of a service.
_PARTS: Final = DescriptorProto.FIELD_FIELD_NUMBER

_EXAMPLES: Final = re.compile(r"\s*Examples?: (.+)\.$")
_CONSTANT: Final = re.compile(r'^Always (".*?"|true|false|null)\.')
# References to the internal documents.
_ORIGIN: Final = re.compile(r" \((?:list|get) document[^)]*\)")


@dataclass(frozen=True, slots=True)
class Comment:
    """A leading comment.

    Attributes:
        text: One line per paragraph.
        examples: The values after "Example:".
        constants: The value after "Always", if there is one.
    """

    text: str
    examples: tuple[Any, ...] = ()
    constants: tuple[Any, ...] = ()

    @classmethod
    def of(cls, comment: str) -> Comment:
        """Parses a comment. Omits notes to tools, and paragraphs about errors: the document has responses for those."""
        lines = [line.strip() for line in comment.splitlines() if not line.strip().startswith("buf:lint:")]
        paragraphs = [" ".join(part.split()) for part in "\n".join(lines).split("\n\n")]
        text = _ORIGIN.sub("", "\n".join(part for part in paragraphs if part and not part.startswith("Errors ")))
        examples, constant = _EXAMPLES.search(text), _CONSTANT.search(text)
        return cls(
            _EXAMPLES.sub("", text),
            tuple(json.loads(f"[{examples[1]}]")) if examples else (),
            (json.loads(constant[1]),) if constant else (),
        )


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service.

    Attributes:
        path: The HTTP path, with names in braces.
        path_fields: The fields of the request in the path.
        request: The full name of the request message.
        response: The full name of the response message.
    """

    name: str
    path: str
    path_fields: tuple[str, ...]
    request: str
    response: str
    comment: Comment


class Source:
    """The proto files.

    Args:
        descriptors: A serialized `google.protobuf.FileDescriptorSet`, with imports and source information.

    Attributes:
        messages: Every message, by its full name with a leading dot.
    """

    def __init__(self, descriptors: bytes) -> None:
        self._files = FileDescriptorSet.FromString(descriptors).file
        self.messages: dict[str, DescriptorProto] = {}
        # By full name.
        self._comments: dict[str, Comment] = {}
        for file in self._files:
            self._read(file)

    def comment(self, *names: str) -> Comment:
        """Returns the comment of a message, field, method or enum value, by the parts of its full name."""
        return self._comments.get(".".join(names), Comment(""))

    def methods(self, service: str) -> list[Method]:
        """Returns the methods of a service, by its full name with a leading dot."""
        package, _, name = service[1:].rpartition(".")
        (found,) = [one for file in self._files if file.package == package for one in file.service if one.name == name]
        return [
            Method(
                method.name,
                re.sub(r"\{(\w+)=[^}]*\}", r"{\1}", path := method.options.Extensions[annotations_pb2.http].get),
                tuple(re.findall(r"\{(\w+)", path)),
                method.input_type,
                method.output_type,
                self.comment(service, method.name),
            )
            for method in found.method
        ]

    def prose(self, message: str, field: FieldDescriptorProto) -> str:
        """Returns the text of a field's comment, with the JSON names of the fields in it."""
        own = {one.name: one.json_name for one in self.messages[message].field}
        package = message.rpartition(".")[0]
        text = re.sub(
            r"`(\w+)`", lambda match: f"`{own.get(match[1], match[1])}`", self.comment(message, field.name).text
        )

        def elsewhere(match: re.Match[str]) -> str:
            other = self.messages.get(f"{package}.{match[1]}")
            names = {one.name: one.json_name for one in other.field} if other else {}
            return f"{match[1]}.{names.get(match[2], match[2])}"

        return re.sub(r"\b([A-Z]\w+)\.([a-z]\w+)", elsewhere, text)

    def _read(self, file: FileDescriptorProto) -> None:
        self.messages |= {f".{file.package}.{message.name}": message for message in file.message_type}
        kinds = (
            (_MESSAGES, [(one.name, [field.name for field in one.field]) for one in file.message_type]),
            (_ENUMS, [(one.name, [value.name for value in one.value]) for one in file.enum_type]),
            (_SERVICES, [(one.name, [method.name for method in one.method]) for one in file.service]),
        )
        names: dict[tuple[int, ...], str] = {}
        for kind, ones in kinds:
            for number, (one, parts) in enumerate(ones):
                name = names[kind, number] = f".{file.package}.{one}"
                names |= {(kind, number, _PARTS, at): f"{name}.{part}" for at, part in enumerate(parts)}
        for location in file.source_code_info.location:
            if location.leading_comments and tuple(location.path) in names:
                self._comments[names[tuple(location.path)]] = Comment.of(location.leading_comments)
