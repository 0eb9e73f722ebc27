"""The planner's page, made on the server."""

from fastapi import APIRouter

pages = APIRouter(include_in_schema=False)
