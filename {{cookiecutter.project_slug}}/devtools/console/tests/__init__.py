"""Tests of the developer's console; deleting the console's folder deletes these tests too."""
