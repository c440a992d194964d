"""XML of a CAS server: without a document type, so without entities, and with names that are compared whole."""

from xml.etree.ElementTree import Element

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException


class NotXml(Exception):
    pass


def parsed(document: bytes) -> Element:
    """Comments are no part of a text, which they do not end either. Raises `NotXml`."""
    try:
        root: Element = ElementTree.fromstring(document, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):  # the last two: of an encoding
        raise NotXml from None
    return root


def text_of(element: Element) -> str:
    """Without white space around it. Raises `NotXml` for an element that holds others."""
    if len(element):
        raise NotXml
    return (element.text or "").strip()
